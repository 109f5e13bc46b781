"""Changes and serving replicas, to read."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from models_registry.admin.base import ReadableAdmin
from models_registry.document_diff import document_diff
from models_registry.models import Change, Replica

COLOURS = {
    "deploy": "success",
    "rollback": "danger",
    "traffic": "warning",
    "baseline": "info",
    "pipeline": "info",
    "threshold": "info",
    "registry": "default",
}


@admin.register(Change)
class ChangeAdmin(ReadableAdmin):
    """Who changed what, when."""

    list_display = ["at", "shown_kind", "model_name", "summary", "author"]
    list_display_links = ["at", "summary"]
    list_filter = ["kind", "object_type"]
    search_fields = ["summary", "model_name", "author", "reason", "object_name"]
    date_hierarchy = "at"
    show_full_result_count = False
    fields = [
        "at",
        "shown_kind",
        "model_name",
        "version",
        "object_type",
        "object_name",
        "summary",
        "reason",
        "author",
        "diff",
    ]
    readonly_fields = fields

    @display(description="Kind", ordering="kind", label=COLOURS)
    def shown_kind(self, change: Change) -> tuple[str, str]:
        """The kind as a coloured label."""
        return change.kind, change.get_kind_display()

    @display(description="Difference")
    def diff(self, change: Change) -> SafeString:
        """The export documents before and after."""
        return format_html('<pre class="overflow-x-auto text-xs">{}</pre>', document_diff(change.before, change.after))


@admin.register(Replica)
class ReplicaAdmin(ReadableAdmin):
    """Serving processes, by their last heartbeats."""

    list_display = ["name", "address", "started_at", "last_seen_at", "snapshot", "trouble"]
    search_fields = ["name", "address"]
    fields = ["name", "address", "started_at", "last_seen_at", "snapshot", "loaded", "errors"]
    readonly_fields = fields

    @display(description="Trouble")
    def trouble(self, replica: Replica) -> str:
        """How many versions it couldn't load."""
        return f"{len(replica.errors)} not loaded" if replica.errors else ""
