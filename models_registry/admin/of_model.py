"""Pages of what belongs to a model: written by the editors of the model's teams."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from models_registry.admin.base import RegistryAdmin
from models_registry.models import MLModel
from models_registry.permissions import editable_models, may_edit_model, may_register_models


def model_page(model: MLModel) -> SafeString:
    """A link to the model's page, where its traffic is shifted."""
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="/models/{}/">{}</a>', model.name, model)


class OfModelAdmin(RegistryAdmin):
    """Something of one model, which can't move to another."""

    autocomplete_fields = ["model"]
    list_select_related = ["model"]

    @display(description="Model", ordering="model__name")
    def model_link(self, row: Any) -> SafeString:
        """The model, linked to its page."""
        return model_page(row.model)

    def may_edit(self, user: Any, obj: Any) -> bool:
        return may_edit_model(user, obj.model)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["model"] if obj else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The page's form; a model of others' can't be chosen, on the page or past it."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is None and "model" in form.base_fields:
            form.base_fields["model"].queryset = MLModel.objects.filter(pk__in=editable_models(request.user))
            form.base_fields["model"].error_messages["invalid_choice"] = "You are no editor of this model's teams."
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """`?model=<name>` fills the model in."""
        initial = super().get_changeform_initial_data(request)
        name = initial.get("model")
        if name and not str(name).isdigit():
            initial["model"] = MLModel.objects.filter(name=name).values_list("pk", flat=True).first()
        return initial


class OfModelInline(TabularInline):
    """Rows on the model's page."""

    tab = True
    extra = 0

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Each row names its model.
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.select_related("model")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_register_models(request.user) if obj is None else may_edit_model(request.user, obj)

    has_add_permission = has_change_permission
    has_delete_permission = has_change_permission


class ListedInline(OfModelInline):
    """Rows that are only listed there, each with a link to its own page."""

    show_change_link = True
    show_count = True

    def get_count(self, request: HttpRequest, obj: Any) -> int:
        """How many there are, for the tab."""
        return self.model.objects.filter(model=obj).count() if obj else 0

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_add_permission = has_change_permission
    has_delete_permission = has_change_permission
