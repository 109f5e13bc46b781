"""What would another limit have done? The edited limits beside those in force, over the recorded past."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from alerts.admin.fields import DurationField
from alerts.annotations import readable, readable_duration
from alerts.backtest import Firing, Interval
from alerts.backtest_words import lasted, notes, verdict
from alerts.backtests import DAYS, Backtest, Trial
from alerts.catalogue import KINDS
from alerts.http import Refused, Unreachable
from alerts.kind import AlertKind, Parameter
from alerts.live.charts import MOST_LINES, Chart, Drawing, draw
from alerts.models import AlertPolicy
from alerts.permissions import may_edit_policy
from alerts.policies import Limits, Policies, Policy, load_policies
from alerts.subject import says
from alerts.views.frame import page
from controlplane.backtesting import Busy, candidates, errors_in, in_force, run
from models_registry.fleet import FleetModel, load_fleet, load_model
from models_registry.models import MLModel
from telemetry.names import MODEL

DEFAULT_DAYS = 7
LIMIT = "limit_"
MOST_ROWS = 30


class LimitsForm(forms.Form):
    """The limits of one alert, as in the policy's own form. Empty: as in the policy in force."""

    def __init__(self, kind: AlertKind, present: Limits, data: Any) -> None:
        super().__init__(data, auto_id="bt-%s")
        self.kind, self.present = kind, present
        for parameter in kind.parameters:
            self.fields[LIMIT + parameter.name] = _limit_field(parameter, present.thresholds[parameter.name])
        self.fields["for_seconds"] = DurationField(
            label="For", widget=forms.TextInput(attrs={"size": 8, "placeholder": readable_duration(present.for_)})
        )

    def clean(self) -> dict[str, Any]:
        """Refused for what the policy would be refused for."""
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            for field, error in errors_in(self.kind, self.thresholds, self.for_).items():
                self.add_error(field if field in self.fields else None, error)
        return cleaned

    @property
    def thresholds(self) -> dict[str, float]:
        """The limits that differ from those in force."""
        typed = {p.name: self.cleaned_data.get(LIMIT + p.name) for p in self.kind.parameters}
        return {n: v for n, v in typed.items() if v is not None and v != self.present.thresholds[n]}

    @property
    def for_(self) -> int | None:
        """The `for`, where it differs from the one in force."""
        typed: int | None = self.cleaned_data.get("for_seconds")
        return None if typed == self.present.for_ else typed


def _limit_field(parameter: Parameter, present: float) -> forms.FloatField:
    share = ", as a share (0 to 1)" if parameter.unit == "ratio" else ""
    return forms.FloatField(
        required=False,
        label=parameter.name.replace("_", " ").capitalize() + share,
        widget=forms.NumberInput(attrs={"step": "any", "placeholder": f"{present:g}", "style": "width: 9rem"}),
    )


@dataclass(frozen=True, slots=True)
class Side:
    """One policy's card; `times` is None where the policy is off."""

    title: str
    limits: str
    times: int | None
    total: str
    longest: str


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
    kinds = candidates(model)
    context: dict[str, Any] = {"model": model, "kinds": kinds}
    kind = next((k for k in kinds if k.name == request.GET.get("alert")), None)
    if kind is None:
        context["unfit"] = request.GET.get("alert", "")[:100]
        context["known"] = context["unfit"] in KINDS
        status = 404 if context["unfit"] else 200
        return page(request, "plumbline/backtest.html", context, title="Backtest", about=name, status=status)
    present = in_force(kind, model)
    form = LimitsForm(kind, present, request.GET)
    days = _days(request)
    context |= {
        "kind": kind,
        "says": says(kind, model),
        "form": form,
        "days": days,
        "spans": [(d, "24 h" if d == 1 else f"{d} d", d == days) for d in DAYS],
        "present": present,
    }
    if form.is_valid():
        context |= _looked_back(kind, model, form, days)
        context["save_url"] = _save_url(request, row, kind, form)
    return page(request, "plumbline/backtest.html", context, title="Backtest", about=f"{kind.name} {name}")


@login_required
@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """On whose past? The models that a policy of `alert` (`policy`: default, team:x) holds for; without one, all."""
    kind, policy = KINDS.get(request.GET.get("alert", "")), request.GET.get("policy", "")[:100]
    if kind is None or kind.comparison is None:
        raise Http404("No such alert, or it can't be backtested.")
    fleet = load_fleet()
    held = load_policies().of(kind, fleet) if policy else [Policy(Policies().limits(kind), fleet.models)]
    models = [m for p in held if policy in ("", p.limits.policy_id) for m in p.models if kind.concerns(m)]
    context = {"kind": kind, "models": models, "policy": policy}
    return page(request, "plumbline/backtest_models.html", context, title="Backtest", about=kind.name)


def _days(request: HttpRequest) -> int:
    chosen = request.GET.get("days", "")
    return int(chosen) if chosen in {str(d) for d in DAYS} else DEFAULT_DAYS


def _looked_back(kind: AlertKind, model: FleetModel, form: LimitsForm, days: int) -> dict[str, Any]:
    try:
        found = run(kind, model, form.thresholds, form.for_, days=days, with_chart=True)
    except Busy as error:
        return {"busy": str(error)}
    except Unreachable as error:
        return {"unreachable": str(error)}
    except Refused as error:
        return {"refused": str(error)}
    edited = found.edited.limits != found.present.limits
    sides = [_side("These limits", kind, found.edited)] if edited else []
    sides.append(_side("Present policy", kind, found.present))
    firings = found.edited.replay.firings if found.edited.replay else ()
    return {
        "found": found,
        "edited": edited,
        "sides": sides,
        "verdict": verdict(found),
        "notes": notes(found),
        "chart": _chart(found, edited),
        "rows": [_firing_row(firing) for firing in reversed(firings[-MOST_ROWS:])],
        "left_out": max(0, len(firings) - MOST_ROWS),
        "gaps": [(_moment(gap.start), lasted(gap.seconds)) for gap in _longest(found.unseen)],
        "gaps_left_out": max(0, len(found.unseen) - MOST_ROWS),
        "began": _moment(found.grid.start),
        "step": lasted(found.grid.step),
        "unseen": lasted(found.unseen_seconds) if found.unseen_seconds else "",
        "kept": lasted(found.kept) if found.kept is not None else "",
    }


def _side(title: str, kind: AlertKind, trial: Trial) -> Side:
    replay = trial.replay
    limits = _limits(kind, trial.limits)
    if replay is None:
        return Side(title, limits, None, "", "")
    return Side(title, limits, replay.count, lasted(replay.total), lasted(replay.longest))


def _limits(kind: AlertKind, limits: Limits) -> str:
    told = [f"{p.name.replace('_', ' ')} {readable(limits.thresholds[p.name], p.unit)}" for p in kind.parameters]
    return ", ".join([*told, f"for {readable_duration(limits.for_)}"])


def _longest(gaps: Iterable[Interval]) -> list[Interval]:
    return sorted(sorted(gaps, key=lambda gap: -gap.seconds)[:MOST_ROWS])


def _firing_row(firing: Firing) -> FiringRow:
    what = ", ".join(value for value in firing.labels.values() if value)
    return FiringRow(_moment(firing.at.start), lasted(firing.at.seconds), firing.still, what)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _chart(found: Backtest, edited: bool) -> Chart:
    comparison = found.comparison
    limit = found.edited.limits.thresholds.get(comparison.parameter)
    present = found.present.limits.thresholds.get(comparison.parameter)
    drawing = Drawing(
        "backtest",
        comparison.title,
        comparison.unit,
        limit=limit,
        limit_name="edited limit" if edited else "limit",
        second_limit=present if present != limit else None,
        second_name="present limit",
        strips=(("edited", _stretches(found.edited, "These limits" if edited else "The policy")),)
        + ((("present", _stretches(found.present, "The present policy")),) if edited else ()),
        gaps=tuple((gap.start, gap.end, f"No data for {lasted(gap.seconds)}") for gap in found.gaps),
    )
    if found.chart_problem:
        return Chart(drawing.key, drawing.title, "", drawing.unit.value, problem=found.chart_problem)
    shown = [label for label in found.kind.labels if label != MODEL]
    named = [(", ".join(s.labels.get(label, "") for label in shown), s.points) for s in found.charted if s.points]
    # Those that came highest, at any time: a version that is gone by now may be the one that fired.
    highest = sorted(named, key=lambda line: -max(value for _, value in line[1]))[:MOST_LINES]
    return draw(drawing, highest, found.charted_grid.start, found.grid.end, found.chart_step or found.grid.step)


def _stretches(trial: Trial, whose: str) -> tuple[tuple[float, float, str], ...]:
    episodes = trial.replay.episodes if trial.replay else []
    return tuple((e.start, e.end, f"{whose} would have fired for {lasted(e.seconds)}") for e in episodes)


def _save_url(request: HttpRequest, row: MLModel, kind: AlertKind, form: LimitsForm) -> str:
    """The model's own policy with these limits filled in, to be looked at and saved; empty for who may not."""
    policy = AlertPolicy.objects.filter(alert=kind.name, model=row).first() or AlertPolicy(alert=kind.name, model=row)
    if not may_edit_policy(request.user, policy):
        return ""
    filled: dict[str, Any] = {LIMIT + name: value for name, value in form.thresholds.items()}
    if form.for_ is not None:
        filled["for_seconds"] = readable_duration(form.for_)
    if policy.pk is not None:
        return f"{reverse('admin:alerts_alertpolicy_change', args=[policy.pk])}?{urlencode(filled)}"
    query = {"alert": kind.name, "model": row.name, **filled}
    return f"{reverse('admin:alerts_alertpolicy_add')}?{urlencode(query)}"
