"""What the registry's pages share: who may do what by team, and writing through plain functions."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model
from django.forms import BaseModelFormSet, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin

from models_registry.actor import Actor
from models_registry.permissions import may_register_models
from models_registry.removal import InUse

# Where a request keeps why its form was refused.
REFUSED = "plumbline_refused"


class _Refused:
    """A form with the errors of `refused` beside its own."""

    refused: ValidationError

    def full_clean(self: Any) -> None:
        super().full_clean()  # type: ignore[misc]
        named = self.refused.message_dict if hasattr(self.refused, "error_dict") else {"": self.refused.messages}
        for name, texts in named.items():
            field = name if name in self.fields else None
            for text in texts:
                if text not in self.errors.get(field or NON_FIELD_ERRORS, ()):
                    self.add_error(field, text if field or name in ("", NON_FIELD_ERRORS) else f"{name}: {text}")


class ReadableAdmin(ModelAdmin):
    """Everybody who may sign in reads; subclasses say who writes. Django's own model permissions play no part."""

    # Deleting many at once would pass by the plain functions, and so by the Change.
    actions = None
    list_per_page = 50
    warn_unsaved_form = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Whoever may delete the row may delete what belongs to it."""
        deleted, counts, _, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, set(), protected

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RegistryAdmin(ReadableAdmin):
    """A page that is written through `save_row` and `delete_row`, which record the Change."""

    def may_edit(self, user: Any, obj: Any) -> bool:
        """Whether `user` may change or delete `obj`."""
        raise NotImplementedError

    def save_row(self, obj: Any, formsets: Iterable[BaseModelFormSet], actor: Actor) -> None:
        """Write `obj`, and of `formsets` those that belong to it."""
        raise NotImplementedError

    def delete_row(self, obj: Any, actor: Actor) -> None:
        """Delete `obj`; raises InUse."""
        raise NotImplementedError

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_register_models(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_register_models(request.user) if obj is None else self.may_edit(request.user, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What only the plain functions can see (somebody else was faster, say) is told at the form as it was typed."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as error:
            setattr(request, REFUSED, error)
            for name in request.FILES:
                for file in request.FILES.getlist(name):
                    file.seek(0)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The page's form; once it has been refused, with the reason."""
        form = super().get_form(request, obj, change, **kwargs)
        refused = getattr(request, REFUSED, None)
        return form if refused is None else type(form.__name__, (_Refused, form), {"refused": refused})

    def save_model(self, request: HttpRequest, obj: Model, form: ModelForm, change: bool) -> None:
        """Nothing yet: `save_related` writes the row together with its inlines, as one Change."""

    def save_related(
        self, request: HttpRequest, form: ModelForm, formsets: list[BaseModelFormSet], change: bool
    ) -> None:
        for formset in formsets:
            # Also fills what the admin's own log says of the inlines.
            formset.save(commit=False)
        self.save_row(form.instance, formsets, Actor.of(request.user))

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self.delete_row(obj, Actor.of(request.user))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except InUse as error:
            messages.error(request, str(error))
            info = (self.admin_site.name, self.opts.app_label, self.opts.model_name)
            return HttpResponseRedirect(reverse("{}:{}_{}_change".format(*info), args=[object_id]))


def kept_rows(formset: BaseModelFormSet) -> list[Any]:
    """The rows that remain once `formset` is saved, in the order of the page."""
    deleted = formset.deleted_forms
    forms = [f for f in formset.forms if f not in deleted and (f.instance.pk or f.has_changed())]
    return [f.instance for f in forms]


def formset_of(model: type[Model], formsets: Iterable[BaseModelFormSet]) -> BaseModelFormSet | None:
    """The formset of `model`'s rows; None where the page has none (whoever may only read gets none)."""
    return next((f for f in formsets if f.model is model), None)
