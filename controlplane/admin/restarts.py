"""Before and after saving: what the edit does to the active alerts. Joined to the pages of what makes rules."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import BaseModelFormSet, all_valid
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path

from alerts.admin import CustomAlertAdmin, ObjectiveAdmin, PolicyAdmin
from alerts.kinds.error_budget_burn import NAME as BURN
from alerts.models import AlertPolicy, CustomAlert, Objective
from alerts.restart_words import Told, about, verdict
from alerts.views.frame import partial
from controlplane import edit_preview
from models_registry.actor import SYSTEM
from models_registry.admin.base import RegistryAdmin
from models_registry.admin.features import FeatureAdmin
from models_registry.removal import InUse

# So that the panel of a default policy doesn't list a thousand models.
MOST_MODELS = 30
# The label of a field, and what is wrong with it.
Errors = list[tuple[str, Any]]


class TellsRestarts(RegistryAdmin):
    """A panel on the form and on the page that deletes, and a message after the edit.

    The servers are asked before the transaction of the edit begins, for a few seconds at most; where they don't answer,
    the edit goes on, and the message says that it isn't known.
    """

    change_form_after_template = "admin/restarts_panel.html"
    # Whether the panel follows what is typed, on the page that adds, too; else it is asked for on an edit.
    restarts_as_typed = True
    delete_confirmation_template = "admin/restarts_delete.html"

    class Media:
        css = {"all": ["plumbline/plumbline.css"]}
        js = ["plumbline/plumbline.js"]

    def alert_of(self, request: HttpRequest, obj: Any) -> str | None:
        """The alert whose rules the edit changes, None: any; `obj` is None where one is being made."""
        raise NotImplementedError

    def if_saved(self, obj: Any) -> Told:
        """What saving `obj`, whose fields are right, would do."""
        raise NotImplementedError

    def if_deleted(self, obj: Any) -> Told:
        """What deleting `obj` would do."""
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        """The panel's two addresses, before the pages that take anything as an id."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_restarts"
        wrap: Callable[..., Any] = self.admin_site.admin_view
        own = [
            path("restarts/", wrap(self.restarts_if_saved), name=f"{name}_add"),
            path("<path:object_id>/delete/restarts/", wrap(self.restarts_if_deleted), name=f"{name}_delete"),
            path("<path:object_id>/restarts/", wrap(self.restarts_if_saved), name=f"{name}_change"),
        ]
        return own + super().get_urls()

    def restarts_if_saved(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
        """For the values that are being typed (POST, since they are the form's); nothing is saved."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        obj = self._row(request, object_id) if object_id is not None else None
        if not (self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)):
            raise PermissionDenied
        form = self.get_form(request, obj, change=obj is not None)(request.POST, instance=obj)
        return self.restarts_of(request, form) if form.is_valid() else _wrong(request, _errors(form))

    def restarts_of(self, request: HttpRequest, form: Any) -> HttpResponse:
        """The panel for a form whose fields are right."""
        return _shown(request, self.if_saved(form.instance))

    def restarts_if_deleted(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The same for a deletion."""
        obj = self._row(request, object_id)
        if not self.has_delete_permission(request, obj):
            raise PermissionDenied
        try:
            return _shown(request, self.if_deleted(obj))
        except InUse as error:
            return _wrong(request, [("", [str(error)])])

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        with self._telling(request, object_id):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        with self._telling(request, object_id):
            return super().delete_view(request, object_id, extra_context)

    def _row(self, request: HttpRequest, object_id: str) -> Any:
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        return obj

    @contextmanager
    def _telling(self, request: HttpRequest, object_id: str | None) -> Iterator[None]:
        """Around an edit; says what it did, where it did something."""
        obj = self.get_object(request, object_id) if object_id is not None and request.method == "POST" else None
        if request.method != "POST" or not self.has_change_permission(request, obj):
            yield
            return
        alert = self.alert_of(request, obj)
        before, firing = edit_preview.present(), edit_preview.ask(alert)
        yield
        after = edit_preview.present()
        if after.differs(before, alert):
            told = edit_preview.compare(alert, before, after, firing)
            lost = not told.known or told.effect.restarts or told.effect.ends
            messages.add_message(request, messages.WARNING if lost else messages.INFO, verdict(told))


def _errors(form: Any) -> Errors:
    return [(form.fields[name].label if name in form.fields else "", found) for name, found in form.errors.items()]


def _wrong(request: HttpRequest, errors: Errors) -> HttpResponse:
    return partial(request, "plumbline/restarts.html", {"wrong": errors})


def _shown(request: HttpRequest, told: Told) -> HttpResponse:
    models = told.effect.models
    groups = (
        ("starts anew", "waits its whole for anew", "bad", told.effect.restarts),
        ("ends", "is dropped", "notice", told.effect.ends),
        ("goes on firing", "goes on pending", "good", told.effect.keeps),
    )
    context = {
        "told": told,
        "rows": [
            (about(each), each, pending if each.pending else words, level)
            for words, pending, level, held in groups
            for each in held
        ],
        "models": models[:MOST_MODELS],
        "more": max(0, len(models) - MOST_MODELS),
    }
    return partial(request, "plumbline/restarts.html", context)


class ToldPolicyAdmin(TellsRestarts, PolicyAdmin):
    """Policies."""

    def alert_of(self, request: HttpRequest, obj: Any) -> str:
        return obj.alert if obj is not None else request.GET.get("alert", "")

    def if_saved(self, obj: AlertPolicy) -> Told:
        return edit_preview.preview_policy(obj)

    def if_deleted(self, obj: AlertPolicy) -> Told:
        return edit_preview.preview_without(obj)


class ToldCustomAlertAdmin(TellsRestarts, CustomAlertAdmin):
    """Custom alerts."""

    def alert_of(self, request: HttpRequest, obj: Any) -> str:
        return obj.name if obj is not None else request.POST.get("name", "")

    def if_saved(self, obj: CustomAlert) -> Told:
        return edit_preview.preview_custom(obj)

    def if_deleted(self, obj: CustomAlert) -> Told:
        return edit_preview.preview_custom(obj, deleted=True)


class ToldObjectiveAdmin(TellsRestarts, ObjectiveAdmin):
    """Objectives: all share the rules of one alert."""

    def alert_of(self, request: HttpRequest, obj: Any) -> str:
        return BURN

    def if_saved(self, obj: Objective) -> Told:
        return edit_preview.preview_objective(obj)

    def if_deleted(self, obj: Objective) -> Told:
        return edit_preview.preview_objective(obj, deleted=True)


class TellsRestartsByDoing(TellsRestarts):
    """For the registry's pages: whose alerts they are, a model's risk, its features and objectives decide it, too.

    What is typed there can't be judged but by writing it, so it is written, and taken back. For that the panel waits
    until it is asked for.
    """

    restarts_as_typed = False

    def alert_of(self, request: HttpRequest, obj: Any) -> None:
        """Any."""

    @contextmanager
    def _telling(self, request: HttpRequest, object_id: str | None) -> Iterator[None]:
        """Of what is being made nothing fires yet."""
        with super()._telling(request, object_id) if object_id is not None else nullcontext():
            yield

    def restarts_of(self, request: HttpRequest, form: Any) -> HttpResponse:
        change = form.instance.pk is not None
        formsets, _ = self._create_formsets(request, form.instance, change)
        if not all_valid(formsets):
            return _wrong(request, [error for formset in formsets for error in _row_errors(formset)])
        try:
            told = edit_preview.preview_edit(lambda: self.save_related(request, form, formsets, change))
        except ValidationError as error:
            return _wrong(request, [("", error.messages)])
        return _shown(request, told)

    def if_deleted(self, obj: Any) -> Told:
        return edit_preview.preview_edit(lambda: self.delete_row(obj, SYSTEM))


class ToldFeatureAdmin(TellsRestartsByDoing, FeatureAdmin):
    """Features: their team is who is told of them."""


def _row_errors(formset: BaseModelFormSet) -> Errors:
    rows = [error for form in formset.forms for error in _errors(form)]
    return [*rows, *[("", [error]) for error in formset.non_form_errors()]]
