"""Releases: every attempt to make the servers run what the registry says."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from alerts.views.frame import page, partial
from alerts.views.paging import paged
from controlplane.models import Release
from controlplane.pages.banners import banners
from controlplane.pages.differences import coloured
from controlplane.pages.live_check import live_context
from controlplane.publishing.release_files import ReleaseFiles

LEVELS = {
    Release.Outcome.PUBLISHED: "good",
    Release.Outcome.UNCHANGED: "good",
    Release.Outcome.RUNNING: "notice",
    Release.Outcome.PROBATION: "notice",
    Release.Outcome.SUPERSEDED: "plain",
}


def current_hash() -> str:
    """The hash of the release that the servers read; empty where there is none yet."""
    return ReleaseFiles.from_settings(settings).current_hash()


@login_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All attempts, the newest first."""
    outcome = request.GET.get("outcome", "")
    rows = Release.objects.defer("diff", "log", "changed_groups", "restarted_alerts", "pending_alerts")
    if outcome in Release.Outcome.values:
        rows = rows.filter(outcome=outcome)
    found = paged(request, rows)
    context = {
        "paged": found,
        "rows": [(row, level(row)) for row in found.page.object_list],
        "current": current_hash(),
        "newest_of_current": newest_of(current_hash()),
        "outcome": outcome,
        "outcomes": Release.Outcome.choices,
        "banners": banners(timezone.now()),
        "here": request.get_full_path(),
    }
    if request.headers.get("HX-Request"):
        return partial(request, "plumbline/releases_rows.html", context)
    return page(request, "plumbline/releases.html", context, title="Releases")


@login_required
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One attempt with its steps and its diff."""
    release = get_object_or_404(Release.objects.select_related("live_check"), pk=pk)
    lines, left_out = coloured(release.diff)
    context = {
        "release": release,
        "level": level(release),
        "is_current": newest_of(current_hash()) == release.pk,
        "lines": lines,
        "left_out": left_out,
        "here": request.get_full_path(),
        **live_context(release, release.hash == current_hash()),
    }
    if request.headers.get("HX-Request"):
        return partial(request, "plumbline/release_state.html", context)
    return page(request, "plumbline/release.html", context, title="Release", about=str(release.pk))


def level(release: Release) -> str:
    """How the outcome is coloured."""
    return LEVELS.get(Release.Outcome(release.outcome), "bad")


def newest_of(bundle_hash: str) -> int | None:
    """The attempt that put the current bundle in place."""
    if not bundle_hash:
        return None
    good = [*Release.GOOD, Release.Outcome.PROBATION]
    rows = Release.objects.filter(hash=bundle_hash, outcome__in=good).order_by("-pk")
    return rows.values_list("pk", flat=True).first()
