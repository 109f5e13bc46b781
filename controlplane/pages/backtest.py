"""What would another limit have done? The edited limits beside those in force, over the recorded past."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from alerts.annotations import readable, readable_duration
from alerts.backtest.outcome import Firing, Interval
from alerts.backtest.terms import Terms, why_not
from alerts.backtest.trial import DAYS, Trial
from alerts.backtest.words import lasted, notes, verdict
from alerts.catalogue import KINDS
from alerts.http import Refused, Unreachable
from alerts.kind import AlertKind
from alerts.policies import Policy, load_policies
from alerts.subject import says
from alerts.views.frame import page
from controlplane.backtesting import Busy, candidates, in_force, run
from controlplane.pages.backtest_charts import charts_of
from controlplane.pages.backtest_form import DURATIONS, LIMIT, LimitsForm, save_url
from models_registry.fleet import FleetModel, load_fleet, load_model
from models_registry.models import MLModel

DEFAULT_DAYS = 7
MOST_ROWS = 30


@dataclass(frozen=True, slots=True)
class Side:
    """One policy's card; `times` is None where the policy is off, or nothing is known."""

    title: str
    limits: str
    times: int | None
    total: str
    longest: str
    is_off: bool = False


@dataclass(frozen=True, slots=True)
class FiringRow:
    """One firing, for the table."""

    began: datetime
    lasted: str
    still: bool
    what: str


@login_required
@require_safe
def show(request: HttpRequest, name: str) -> HttpResponse:
    """The page; with `alert` it looks back, with the limits that the address holds."""
    model, row = load_model(name), MLModel.objects.filter(name=name).first()
    if model is None or row is None:
        raise Http404(f"No model {name}.")
    policies = load_policies()
    kinds = candidates(model, policies.objectives)
    context: dict[str, Any] = {"model": model, "kinds": kinds}
    kind = next((k for k in kinds if k.name == request.GET.get("alert")), None)
    if kind is None:
        asked = context["unfit"] = request.GET.get("alert", "")[:100]
        context["why_not"] = why_not(KINDS[asked], model, policies.objectives) if asked in KINDS else ""
        status = 404 if asked else 200
        return page(request, "plumbline/backtest.html", context, title="Backtest", about=name, status=status)
    present = in_force(kind, model, policies)
    form = LimitsForm(kind, model, present, request.GET)
    days = _days(request)
    context |= {
        "kind": kind,
        "says": says(kind, model),
        "form": form,
        "days": days,
        "spans": [(d, "24 h" if d == 1 else f"{d} d", d == days) for d in DAYS],
        "present": present.limits,
    }
    if form.is_valid():
        context |= _looked_back(kind, model, form, days)
        context |= {"save_url": save_url(request.user, row, form), "edits": form.edits}
    return page(request, "plumbline/backtest.html", context, title="Backtest", about=f"{kind.name} {name}")


@login_required
@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """On whose past? The models that a policy of `alert` (`policy`: default, team:x) holds for; without one, all.

    Limits in the address are taken along; `model`, the key of one, goes straight to its past.
    """
    kind, policy = KINDS.get(request.GET.get("alert", "")), request.GET.get("policy", "")[:100]
    if kind is None or not kind.on_models:
        raise Http404("No such alert, or it can't be backtested.")
    typed = {name: value[:100] for name, value in request.GET.items() if name.startswith(LIMIT) or name in DURATIONS}
    chosen = request.GET.get("model", "")
    row = MLModel.objects.filter(pk=chosen).first() if chosen.isdecimal() and len(chosen) < 10 else None
    if row is not None:
        return redirect(f"{reverse('backtest', args=[row.name])}?{urlencode({'alert': kind.name, **typed})}")
    fleet, policies = load_fleet(), load_policies()
    held = policies.of(kind, fleet) if policy else [Policy(policies.limits(kind), fleet.models)]
    under = [m for p in held if policy in ("", p.limits.policy_id) for m in p.models]
    models = [m for m in under if not why_not(kind, m, policies.objectives)]
    query = urlencode({"alert": kind.name, **typed})
    context = {"kind": kind, "models": models, "policy": policy, "query": query}
    return page(request, "plumbline/backtest_models.html", context, title="Backtest", about=kind.name)


def _days(request: HttpRequest) -> int:
    chosen = request.GET.get("days", "")
    return int(chosen) if chosen in {str(d) for d in DAYS} else DEFAULT_DAYS


def _looked_back(kind: AlertKind, model: FleetModel, form: LimitsForm, days: int) -> dict[str, Any]:
    try:
        found = run(kind, model, form.present, form.edits, days=days, with_chart=True)
    except Busy as error:
        return {"busy": str(error)}
    except Unreachable as error:
        return {"unreachable": str(error)}
    except Refused as error:
        return {"refused": str(error)}
    edited = found.is_edited
    sides = [_side("These limits", kind, found.edited)] if edited else []
    sides.append(_side("Present policy", kind, found.present))
    firings = found.edited.replay.firings if found.edited.replay else ()
    return {
        "found": found,
        "edited": edited,
        "sides": sides,
        "verdict": verdict(found),
        "notes": notes(found),
        "charts": charts_of(found),
        "rows": [_firing_row(firing) for firing in reversed(firings[-MOST_ROWS:])],
        "left_out": max(0, len(firings) - MOST_ROWS),
        "gaps": [(_moment(gap.start), lasted(gap.seconds)) for gap in _longest(found.edited.unseen)],
        "gaps_left_out": max(0, len(found.edited.unseen) - MOST_ROWS),
        "began": _moment(found.grid.start),
        "step": lasted(found.grid.step),
        "unseen": lasted(found.edited.unseen_seconds) if found.edited.unseen_seconds else "",
        "kept": lasted(found.kept) if found.kept is not None else "",
    }


def _side(title: str, kind: AlertKind, trial: Trial) -> Side:
    replay, limits = trial.replay, _limits(kind, trial.terms)
    if replay is None or trial.knows_nothing:
        return Side(title, limits, None, "", "", is_off=replay is None)
    return Side(title, limits, replay.count, lasted(replay.total), lasted(replay.longest))


def _limits(kind: AlertKind, terms: Terms) -> str:
    limits = terms.limits
    told = [f"target of {objective.name} {readable(objective.target, 'ratio')}" for objective in terms.objectives]
    told += [f"{p.name.replace('_', ' ')} {readable(limits.thresholds[p.name], p.unit)}" for p in kind.parameters]
    own = kind.feature_limit
    told += [f"{own.name} of {name} {readable(v, own.unit)}" for name, v in terms.feature_limits.items()] if own else []
    told += [f"window {readable_duration(limits.window)}"] if kind.window else []
    return ", ".join([*told, *([] if kind.variants else [f"for {readable_duration(limits.for_)}"])])


def _longest(gaps: Iterable[Interval]) -> list[Interval]:
    return sorted(sorted(gaps, key=lambda gap: -gap.seconds)[:MOST_ROWS])


def _firing_row(firing: Firing) -> FiringRow:
    what = ", ".join(value for value in firing.labels.values() if value)
    return FiringRow(_moment(firing.at.start), lasted(firing.at.seconds), firing.still, what)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)
