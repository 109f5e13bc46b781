"""The home page: the fleet. A fixed number of queries to the database and to Prometheus, however many models."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import OuterRef, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from alerts.http import Refused, Unreachable
from alerts.live.asking import ask
from alerts.prometheus import Prometheus
from alerts.views.frame import page, partial
from alerts.views.paging import paged
from controlplane.models import Release
from controlplane.pages.banners import Banner, banners
from controlplane.pages.fleet_rows import HEALTHS, SORTS, LastChange, Seen, fleet_rows, narrowed, ordered
from models_registry.fleet import load_fleet
from models_registry.models import Change, MLModel
from models_registry.permissions import may_register_models
from telemetry import names
from telemetry.names import FEATURE, MODEL, STATE

TIMEOUT = 2.0
QUESTIONS = {
    "drifted": f"group by ({MODEL}, {FEATURE}) ({names.DRIFT_DETECTED} == 1)",
    "check_state": f"group by ({MODEL}, {STATE}) ({names.CHECK_STATE} == 1)",
    "served": f"count by ({MODEL}) ({names.MODEL_INFO})",
}


@login_required
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Every model with its health; refreshes itself."""
    now = timezone.now()
    fleet, seen, problem = load_fleet(), None, ""
    seen, problem = look()
    everything = fleet_rows(fleet, seen, last_changes(), now)
    search, team = request.GET.get("q", "").strip()[:100], request.GET.get("team", "")
    health, sort = request.GET.get("health", ""), request.GET.get("sort", SORTS[0])
    rows = ordered(narrowed(everything, search, team, health), sort)
    found = banners(now)
    if problem and not any(banner.title.startswith("Prometheus") for banner in found):
        found.insert(0, Banner("bad", "Prometheus can't be reached", f"{problem} Health and alerts are unknown."))
    context = {
        "paged": paged(request, rows),
        "total": len(everything),
        "counts": [
            (name, text, level, sum(row.health == name for row in everything))
            for name, (text, level) in HEALTHS.items()
        ],
        "banners": found,
        "q": search,
        "team": team,
        "health": health,
        "sort": sort,
        "filtered": bool(search or team or health),
        "here": request.get_full_path(),
        "now": now,
    }
    if request.headers.get("HX-Request"):
        return partial(request, "plumbline/home_rows.html", context)
    context |= {
        "teams": [t.name for t in fleet.teams],
        "healths": [(name, text) for name, (text, _) in HEALTHS.items()],
        "may_register": may_register_models(request.user),
    }
    return page(request, "plumbline/home.html", context, title="Fleet")


def look() -> tuple[Seen, str]:
    """What Prometheus says of all models, and why it can't be asked (empty: it can)."""
    prometheus = Prometheus(settings.PROMETHEUS_URL, timeout=TIMEOUT)
    published = Release.objects.filter(outcome__in=[Release.Outcome.PUBLISHED, Release.Outcome.PROBATION]).exists()
    answers = ask(prometheus, QUESTIONS)
    if answers.unreachable:
        return Seen(answers, None, published), f"{answers.unreachable}."
    try:
        return Seen(answers, prometheus.alerts(), published), ""
    except (Unreachable, Refused) as error:
        return Seen(answers, None, published), f"{error}."


def last_changes() -> dict[str, LastChange]:
    """The newest change of each model, by its name; two queries."""
    newest = Change.objects.filter(model=OuterRef("pk")).order_by("-at").values("uuid")[:1]
    keys = MLModel.objects.annotate(newest=Subquery(newest)).values_list("newest", flat=True)
    rows = Change.objects.filter(uuid__in=[key for key in keys if key]).values(
        "model__name", "uuid", "at", "author", "summary"
    )
    return {row["model__name"]: LastChange(str(row["uuid"]), row["at"], row["author"], row["summary"]) for row in rows}
