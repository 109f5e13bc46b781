"""Baselines: uploaded as a file, frozen with a confirmation."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import BaseModelFormSet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from models_registry.actor import Actor
from models_registry.admin.fields import ProfileField
from models_registry.admin.of_model import ListedInline, OfModelAdmin
from models_registry.baselines import freeze_baseline
from models_registry.edits import save_baseline
from models_registry.models import Baseline
from models_registry.removal import delete_baseline


class BaselineForm(forms.ModelForm):
    """A baseline; its profile comes as a file."""

    profile_file = ProfileField(
        label="Profile",
        required=False,
        help_text="The JSON file that `python -m drift profile` writes; it replaces the present one.",
    )

    class Meta:
        model = Baseline
        fields = ["model", "name", "population", "data_from", "data_until", "max_age_days"]

    def clean(self) -> dict[str, Any]:
        """The profile, set on the row before its own rules are checked."""
        cleaned = super().clean() or self.cleaned_data
        profile = cleaned.get("profile_file")
        if profile is not None:
            self.instance.profile = profile
        elif not self.instance.profile and "profile_file" not in self.errors:
            self.add_error("profile_file", "A baseline needs its profile: choose the file.")
        return cleaned


class BaselinesInline(ListedInline):
    """A model's baselines."""

    model = Baseline
    fields = ["name", "population", "rows", "data_until", "max_age_days", "frozen_at"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Baseline]:
        rows: QuerySet[Baseline] = super().get_queryset(request)
        return rows.defer("profile")


@admin.register(Baseline)
class BaselineAdmin(OfModelAdmin):
    """What normal input looks like. Frozen, it is what drift is measured against."""

    form = BaselineForm
    list_display = ["name", "model_link", "population", "rows", "frozen", "data_until", "max_age_days"]
    list_filter = [("frozen_at", admin.EmptyFieldListFilter), "population", "model"]
    search_fields = ["name", "model__name", "population"]
    readonly = ["state", "rows", "sha256", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Baseline]:
        rows: QuerySet[Baseline] = super().get_queryset(request)
        return rows.defer("profile")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        frozen = obj is not None and obj.frozen_at is not None
        editable = obj is None or self.has_change_permission(request, obj)
        upload = ["profile_file"] if editable and not frozen else []
        fields = ["model", "name", "population", *upload, ("data_from", "data_until"), "max_age_days"]
        shown = [(None, {"fields": fields})]
        return [*shown, ("Profile", {"fields": self.readonly})] if obj else shown

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The page's form, without the upload where the profile is fixed."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None and obj.frozen_at is not None:
            form.base_fields.pop("profile_file", None)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return self.readonly
        fixed = ["name", "population", "data_from", "data_until"] if obj.frozen_at else []
        return [*self.readonly, "model", *fixed]

    @display(description="Frozen", boolean=True, ordering="frozen_at")
    def frozen(self, baseline: Baseline) -> bool:
        """Whether checks may use it."""
        return baseline.frozen_at is not None

    @display(description="State")
    def state(self, baseline: Baseline) -> SafeString | str:
        """Frozen since when, or the way to freeze it."""
        if baseline.frozen_at:
            return f"frozen {baseline.frozen_at:%Y-%m-%d %H:%M} UTC"
        address = reverse("admin:models_registry_baseline_freeze", args=[baseline.pk])
        return format_html(
            'Not frozen: checks don\'t use it yet. <a class="underline" href="{}">Freeze it</a>', address
        )

    def get_urls(self) -> list[URLPattern]:
        freeze = self.admin_site.admin_view(self.freeze_view)
        urls: list[URLPattern] = super().get_urls()
        return [path("<int:object_id>/freeze/", freeze, name="models_registry_baseline_freeze"), *urls]

    def freeze_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A question on GET, the deed on POST."""
        baseline = Baseline.objects.select_related("model").filter(pk=object_id).first()
        if baseline is None:
            raise Http404
        if not self.has_change_permission(request, baseline):
            raise PermissionDenied
        back = reverse("admin:models_registry_baseline_change", args=[object_id])
        if request.method == "POST":
            self._freeze(request, baseline)
            return HttpResponseRedirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Freeze {baseline}?",
            "question": "From now on its profile can't change, and drift checks may use it. This can't be undone.",
            "button": "Freeze",
            "back": back,
            "opts": self.opts,
        }
        return render(request, "models_registry/confirm.html", context)

    def _freeze(self, request: HttpRequest, baseline: Baseline) -> None:
        try:
            change = freeze_baseline(baseline, actor=Actor.of(request.user))
        except ValueError as error:
            messages.error(request, str(error))
            return
        messages.success(request, change.summary if change else f"{baseline} was frozen already.")

    def save_row(self, obj: Baseline, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        save_baseline(obj, actor=actor)

    def delete_row(self, obj: Baseline, actor: Actor) -> None:
        delete_baseline(obj, actor=actor)
