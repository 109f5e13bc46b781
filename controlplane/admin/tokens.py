"""API tokens: made and shown once, revoked with a confirmation."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from controlplane.models import ApiToken
from controlplane.tokens import issue, revoke
from models_registry.admin.base import ReadableAdmin


class TokenForm(forms.ModelForm):
    """A name, and for superusers the user."""

    maker: Any = None  # who fills it in; set by the admin

    class Meta:
        model = ApiToken
        fields = ["user", "name"]

    def clean(self) -> dict[str, Any]:
        """One token a name and user."""
        cleaned = super().clean() or self.cleaned_data
        user = cleaned.get("user") or self.maker
        if ApiToken.objects.filter(user=user, name=cleaned.get("name", "")).exists():
            self.add_error("name", f"{user} has a token of this name already: choose another name.")
        return cleaned


@admin.register(ApiToken)
class ApiTokenAdmin(ReadableAdmin):
    """Everybody makes and revokes tokens of their own; superusers see all."""

    form = TokenForm
    list_display = ["name", "user", "prefix", "created_at", "last_used_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username", "prefix"]
    autocomplete_fields = ["user"]
    shown = ["user", "name", "prefix", "created_at", "last_used_at", "state"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiToken]:
        rows: QuerySet[ApiToken] = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(user=request.user.pk)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is not None:
            return self.shown
        return ["user", "name"] if request.user.is_superuser else ["name"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.shown if obj is not None else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, which knows who fills it in; a superuser's starts with themself."""
        form = super().get_form(request, obj, change, **kwargs)
        if "user" in form.base_fields:
            form.base_fields["user"].initial = request.user.pk
            form.base_fields["user"].queryset = get_user_model().objects.filter(is_active=True)
        return type(form.__name__, (form,), {"maker": request.user})

    def save_model(self, request: HttpRequest, obj: Any, form: forms.ModelForm, change: bool) -> None:
        """Make it. Its text stays on the object, which lives as long as this request, and is kept nowhere else."""
        made, obj.token_text = issue(form.cleaned_data.get("user") or request.user, form.cleaned_data["name"])
        obj.pk, obj.user, obj.prefix = made.pk, made.user, made.prefix

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """The token, this once."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"The token {obj.name}",
            "token": obj.token_text,
            "back": reverse("admin:controlplane_apitoken_changelist"),
            "opts": self.opts,
        }
        response = render(request, "controlplane/token_made.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @display(description="State")
    def state(self, token: ApiToken) -> SafeString | str:
        """In force, with the way to revoke it, or revoked when."""
        if token.revoked_at:
            return f"revoked {token.revoked_at:%Y-%m-%d %H:%M} UTC"
        address = reverse("admin:controlplane_apitoken_revoke", args=[token.pk])
        return format_html('In force. <a class="underline" href="{}">Revoke it</a>', address)

    def get_urls(self) -> list[URLPattern]:
        revoke_view = self.admin_site.admin_view(self.revoke_view)
        urls: list[URLPattern] = super().get_urls()
        return [path("<int:object_id>/revoke/", revoke_view, name="controlplane_apitoken_revoke"), *urls]

    def revoke_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A question on GET, the deed on POST."""
        token = self.get_queryset(request).filter(pk=object_id).first()
        if token is None:
            raise Http404
        back = reverse("admin:controlplane_apitoken_change", args=[object_id])
        if request.method == "POST":
            messages.success(request, f"{token} is revoked." if revoke(token) else f"{token} was revoked already.")
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Revoke {token}?",
            "question": "What uses it is refused from now on. This can't be undone.",
            "button": "Revoke",
            "back": back,
            "opts": self.opts,
        }
        return render(request, "models_registry/confirm.html", context)
