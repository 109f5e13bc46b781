"""How a team's digests fare, in a sentence or two for its page."""

from alerts.models import TicketDigest
from models_registry.models import Receiver, Team


def digest_words(team: Team) -> str:
    """What becomes of tickets while the team is away, and of the newest digest. One query beside the receivers'."""
    if team.always_on_duty:
        return "Always on duty: tickets never wait, so there is nothing to sum up."
    receiver = next((r for r in team.receivers.all() if r.severity == Receiver.Severity.TICKET), None)
    if receiver is None:
        said = (
            "No receiver for tickets: they go to the platform team, where it has one, and so does the digest of them."
        )
    else:
        said = (
            f"When the hours begin, Plumbline tells the tickets' receiver ({receiver.get_kind_display()}) what fired "
            "or ended while tickets were muted."
        )
        if receiver.secret_file:
            said += f" It reads {receiver.secret_file} for that: on its own machine, not on Alertmanager's."
    newest = TicketDigest.objects.filter(team=team).exclude(state=TicketDigest.State.NOTHING).first()
    return f"{said} {_newest(newest)}" if newest else said


def _newest(digest: TicketDigest) -> str:
    about = f"{digest.alerts} alert{'' if digest.alerts == 1 else 's'}" if digest.alerts else ""
    told = ", ".join(part for part in (digest.get_state_display().lower(), about) if part)
    error = f": {digest.last_error}" if digest.last_error else "."
    return f"The newest, of {digest.hours_began_at:%Y-%m-%d %H:%M} UTC: {told}{error}"
