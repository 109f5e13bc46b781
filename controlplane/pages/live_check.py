"""What the running Prometheus says of a release: a part of the release's page, and the button to ask again."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from alerts.views.frame import partial
from controlplane.live_check.report import Report, Told, report_of
from controlplane.live_check.turns import NotCurrent, ask
from controlplane.live_check.words import HEADINGS, alert_line
from controlplane.models import LiveCheck, Release
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.wake import wake

# On the page; the API has all of them.
MOST_ALERTS = 100


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: how it stands, as a part of a page. POST: have all its rules looked at, and all its proofs run, soon."""
    release = get_object_or_404(Release.objects.select_related("live_check").defer("diff", "log"), pk=pk)
    current = ReleaseFiles.from_settings(settings).current_hash()
    if request.method == "POST":
        try:
            ask(release, current, timezone.now(), prove=True)
            transaction.on_commit(wake, robust=True)
            messages.success(request, "All rules will be looked at, and all proofs run: within a minute or so.")
        except NotCurrent as error:
            messages.error(request, str(error))
        return redirect("release", pk)
    return partial(request, "plumbline/release_live.html", live_context(release, release.hash == current))


def live_context(release: Release, is_current: bool) -> dict[str, Any]:
    """What the template needs; nothing of a release that Prometheus never ran."""
    check: LiveCheck | None = getattr(release, "live_check", None)
    report = report_of(check.found) if check else Report()
    return {
        "release": release,
        "asked_about": release.outcome in Release.GOOD,
        "runs_now": is_current,
        "check": check,
        "looked_at": len(check.found) if check else 0,
        "report": report,
        "sections": _sections(report),
        "loud": [(alert, alert_line(alert)) for alert in report.loud[:MOST_ALERTS]],
        "loud_left_out": max(0, len(report.loud) - MOST_ALERTS),
    }


def _sections(report: Report) -> list[tuple[str, str, str, list[Told]]]:
    """Severity, heading, colour, findings: the worst first."""
    return [(severity, *HEADINGS[severity], findings) for severity, findings in report.by_severity]
