"""alertmanager.yml: who is told of what, and when. Pure.

1. Everything goes to Plumbline's own webhook, which keeps incidents, and goes on (`continue`).
2. The watchdog ends there, so that no team is told of it. The webhook keeps no incident of it either: who wants to
   know when it stays away looks for it in Alertmanager's API, from outside.
3. Each team's pages go to its page receiver; its tickets to its ticket receiver, within its hours unless the
   model is of high risk or the alert is about Plumbline itself.
4. What is left goes to the platform team. It needs a route of its own: step 1 matches everything, so the root's
   receiver is never asked.
"""

from collections import defaultdict
from typing import Any

from alerts.options import RenderOptions
from alerts.policies import Policies
from alerts.receivers.slices import CONFIGURATIONS
from alerts.yaml_text import dump
from models_registry.fleet import Fleet, FleetModel, FleetReceiver, FleetTeam
from telemetry.names import MODEL, OBJECTIVE, TIER, VERSION
from telemetry.promql import duration, equals, one_of

PLUMBLINE = "plumbline"
_PAGE, _TICKET = "page", "ticket"
# Absent labels count as equal in an inhibition, so both sides must have a model.
_ABOUT_A_MODEL = f'{MODEL}!=""'
_GROUP_BY = ["alertname", "team", MODEL]


def render_alertmanager(fleet: Fleet, options: RenderOptions, policies: Policies) -> str:
    """alertmanager.yml. Secrets are named by their files."""
    return dump(alertmanager_document(fleet, options, policies))


def alertmanager_document(fleet: Fleet, options: RenderOptions, policies: Policies) -> dict[str, Any]:
    """alertmanager.yml as data. `policies` matter where they name a team that is told."""
    tree = _Tree(fleet, options, policies)
    document: dict[str, Any] = {
        "global": {"resolve_timeout": "5m", **_mail_server(options)},
        "route": tree.root(),
        "inhibit_rules": _inhibitions(),
        "receivers": [_plumbline(options), *tree.receivers()],
    }
    intervals = [_hours(team) for team in fleet.teams if _can_be_told(team) and not team.always_on_duty]
    if intervals:
        document["time_intervals"] = intervals
    return document


class _Tree:
    """The routes of one fleet."""

    def __init__(self, fleet: Fleet, options: RenderOptions, policies: Policies) -> None:
        self.fleet = fleet
        self.options = options
        self.platform = fleet.team_by_name.get(options.platform_team)
        # Team -> the models whose alerts can come to it, by name.
        self.owned: dict[str, dict[str, FleetModel]] = defaultdict(dict)
        for model in fleet.models:
            for team in _owners(model):
                self.owned[team][model.name] = model
        for policy in policies.that_notify(fleet):
            self.owned[policy.limits.notify] |= {model.name: model for model in policy.models}

    def root(self) -> dict[str, Any]:
        everything = {"receiver": PLUMBLINE, "continue": True, "group_wait": "0s", "group_interval": "15s"}
        watchdog = {"receiver": PLUMBLINE, "matchers": [equals("alertname", "Watchdog")]}
        return {
            "receiver": PLUMBLINE,
            "group_by": _GROUP_BY,
            "group_wait": duration(self.options.group_wait),
            "group_interval": duration(self.options.group_interval),
            "repeat_interval": duration(self.options.repeat_interval),
            "routes": [
                everything,
                watchdog,
                *map(self.team, filter(_can_be_told, self.fleet.teams)),
                *self.unclaimed(),
            ],
        }

    def team(self, team: FleetTeam) -> dict[str, Any]:
        """The routes of a team that can be told."""
        return {
            "matchers": [equals("team", team.name)],
            **self.by_severity(team, sorted(self.owned[team.name].values(), key=_by_name)),
        }

    def unclaimed(self) -> list[dict[str, Any]]:
        """The platform team's, for alerts of teams that can't be told; none where it can't be told either."""
        if self.platform is None or not _can_be_told(self.platform):
            return []
        return [self.by_severity(self.platform, list(self.fleet.models))]

    def by_severity(self, team: FleetTeam, models: list[FleetModel]) -> dict[str, Any]:
        """Pages, then tickets, then (by the receiver of the route itself) anything else."""
        page, ticket = self.teller(team, _PAGE), self.teller(team, _TICKET)
        routes = []
        if told := page or ticket:
            routes.append({"matchers": [equals("severity", _PAGE)], "receiver": _name(*told)})
        if ticket:
            routes += _tickets(ticket[0], _name(*ticket), models)
        # A team with a pager alone, and no platform team to take its tickets: Plumbline keeps them.
        return {"receiver": _name(*ticket) if ticket else PLUMBLINE, "routes": routes}

    def teller(self, team: FleetTeam, severity: str) -> tuple[FleetTeam, FleetReceiver] | None:
        """Who is told for `team`: itself, else the platform team, else nobody. A ticket never goes to a pager."""
        for candidate in (team, self.platform):
            if candidate is not None:
                for receiver in candidate.receivers:
                    if receiver.severity == severity:
                        return candidate, receiver
        return None

    def receivers(self) -> list[dict[str, Any]]:
        return [
            {"name": _name(team, receiver), **CONFIGURATIONS[receiver.kind](receiver)}
            for team in self.fleet.teams
            for receiver in team.receivers
        ]


def _mail_server(options: RenderOptions) -> dict[str, str]:
    """How e-mail is sent; nothing where no server is set. What the values hold is Alertmanager's affair."""
    if not options.smtp_smarthost:
        return {}
    server = {
        "smtp_smarthost": options.smtp_smarthost,
        "smtp_from": options.smtp_from,
        "smtp_auth_username": options.smtp_username,
        "smtp_auth_password_file": options.smtp_password_file,
    }
    return {name: value for name, value in server.items() if value}


def _by_name(model: FleetModel) -> str:
    return model.name


def _can_be_told(team: FleetTeam) -> bool:
    return bool(team.receivers)


def _tickets(team: FleetTeam, receiver: str, models: list[FleetModel]) -> list[dict[str, Any]]:
    """Tickets to `receiver` of `team`: within its hours, unless about Plumbline itself or a model of high risk."""
    ticket = equals("severity", _TICKET)
    if team.always_on_duty:
        return [{"matchers": [ticket], "receiver": receiver}]
    at_once = [{"matchers": [ticket, equals("plane", "meta")], "receiver": receiver}]
    high_risk = [m.name for m in models if m.risk == "high"]
    if high_risk:
        at_once.append({"matchers": [ticket, one_of(MODEL, high_risk)], "receiver": receiver})
    waiting = {"matchers": [ticket], "receiver": receiver, "active_time_intervals": [_hours_name(team)]}
    return [*at_once, waiting]


def _owners(model: FleetModel) -> set[str]:
    """The teams that an alert about the model can go to."""
    return {model.on_call_team, model.applied_ml_team, model.data_team, *(f.team for f in model.features)}


def _name(team: FleetTeam, receiver: FleetReceiver) -> str:
    # No team's name has a slash, so no two receivers share a name.
    return f"{team.name}/{receiver.severity}"


def _hours_name(team: FleetTeam) -> str:
    return f"{team.name}/hours"


def _hours(team: FleetTeam) -> dict[str, Any]:
    """The team's working hours, on its own clock."""
    interval = {
        "times": [{"start_time": team.hours_start.strftime("%H:%M"), "end_time": team.hours_end.strftime("%H:%M")}],
        "weekdays": list(team.working_days),
        "location": team.time_zone,
    }
    return {"name": _hours_name(team), "time_intervals": [interval]}


def _plumbline(options: RenderOptions) -> dict[str, Any]:
    """Plumbline's own webhook, with the token that it knows Alertmanager by."""
    authorization = {"type": "Bearer", "credentials_file": options.webhook_token_file}
    webhook = {
        "url": f"{options.plumbline_url}/api/alertmanager/webhook",
        "send_resolved": True,
        "http_config": {"authorization": authorization},
    }
    return {"name": PLUMBLINE, "webhook_configs": [webhook]}


def _inhibitions() -> list[dict[str, Any]]:
    """Who silences whom, always of one model. A ticket never silences a page, whatever severity a policy gives it."""
    down, absent, many = (
        equals("alertname", a) for a in ("MLServingDown", "MLMonitoringAbsent", "MLDriftManyFeatures")
    )
    page, ticket = equals("severity", _PAGE), equals("severity", _TICKET)
    another = 'alertname!="MLServingDown"'
    return [
        # A model that nobody serves: its other alerts tell nothing new.
        _inhibition([down, page], [another]),
        _inhibition([down, ticket], [another, ticket]),
        # Nothing counts its requests: what its quality is judged by has gone with them.
        _inhibition([absent], [equals("plane", "quality"), ticket]),
        # One cause behind several features: each by itself tells nothing new.
        _inhibition([many], [equals("alertname", "MLDriftCriticalFeatureDetected"), ticket], VERSION),
        _page_tier_silences_ticket_tiers(),
    ]


def _inhibition(source: list[str], target: list[str], *equal: str) -> dict[str, Any]:
    return {
        "source_matchers": [*source, _ABOUT_A_MODEL],
        "target_matchers": [*target, _ABOUT_A_MODEL],
        "equal": [MODEL, *equal],
    }


def _page_tier_silences_ticket_tiers() -> dict[str, Any]:
    """A budget that burns fast enough to wake somebody: its tickets tell nothing new."""
    burn = equals("alertname", "MLErrorBudgetBurn")
    return _inhibition([burn, f'{TIER}=~"page-.+"'], [burn, f'{TIER}=~"ticket-.+"'], OBJECTIVE)
