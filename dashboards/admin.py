"""Annotation deliveries, to look at: what waits for Grafana, and why."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from dashboards.models import AnnotationDelivery


@admin.register(AnnotationDelivery)
class AnnotationDeliveryAdmin(ModelAdmin):
    """A list without a way to change it: the loop alone writes these rows."""

    list_display = (
        "change",
        "kind",
        "model_name",
        "state",
        "attempts",
        "next_attempt_at",
        "delivered_at",
        "last_error",
    )
    list_filter = ("state", "change__kind")
    list_select_related = ("change",)
    search_fields = ("change__summary", "change__model_name", "last_error")

    @admin.display(ordering="change__kind")
    def kind(self, delivery: AnnotationDelivery) -> str:
        """What kind of change it tells of."""
        return delivery.change.get_kind_display()

    @admin.display(ordering="change__model_name", description="model")
    def model_name(self, delivery: AnnotationDelivery) -> str:
        """The model that was changed; empty where the change is of none."""
        return delivery.change.model_name

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Everybody who is signed in may read.
        return request.user.is_active

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
