"""How a team's digests fare, in a sentence or two for its page."""

from alerts.models import TicketDigest
from alerts.receivers.posting import why_not
from models_registry.fleet import FleetReceiver
from models_registry.models import Receiver, Team


def digest_words(team: Team) -> str:
    """What becomes of tickets while the team is away, and of the newest digest. One query beside the receivers'."""
    if team.always_on_duty:
        return "Always on duty: tickets never wait, so there is nothing to sum up."
    rows = [r for r in team.receivers.all() if r.severity == Receiver.Severity.TICKET]
    receiver = FleetReceiver(rows[0].severity, rows[0].kind, rows[0].address, rows[0].secret_file) if rows else None
    impossible = why_not(receiver)
    if impossible:
        said = f"Not delivered: {impossible} What came and went while they were muted is only among the incidents."
    else:
        said = "When the hours begin, Plumbline sends what fired or ended while tickets were muted."
    newest = TicketDigest.objects.filter(team=team).exclude(state=TicketDigest.State.NOTHING).first()
    return f"{said} {_newest(newest)}" if newest else said


def _newest(digest: TicketDigest) -> str:
    about = f"{digest.alerts} alert{'' if digest.alerts == 1 else 's'}" if digest.alerts else ""
    told = ", ".join(part for part in (digest.get_state_display().lower(), about) if part)
    error = f": {digest.last_error}" if digest.last_error else "."
    return f"The newest, of {digest.hours_began_at:%Y-%m-%d %H:%M} UTC: {told}{error}"
