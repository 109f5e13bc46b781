"""What replicas tell: stored as it comes, at most one row a replica."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from models_registry.models import MLModel, Replica, ReplicaStarts

# A replica that has been silent for longer, while others were heard, is no longer scraped or counted.
FORGET_AFTER = timedelta(minutes=10)
# A start is counted this long: an old process that loads one more model has not restarted.
FRESH = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One message of one replica. `loaded` maps models to versions; `errors` maps `model/version` to a message."""

    replica: str
    address: str
    started_at: datetime
    snapshot: str
    loaded: dict[str, list[str]]
    errors: dict[str, str]


def receive(heartbeat: Heartbeat) -> None:
    """Store it; count a start where the process is a new one. Repeating a heartbeat changes nothing but its time."""
    now = timezone.now()
    with transaction.atomic():
        known = Replica.objects.filter(name=heartbeat.replica).first()
        known_loaded = known.loaded if known is not None and known.started_at == heartbeat.started_at else {}
        Replica.objects.update_or_create(
            name=heartbeat.replica,
            defaults={
                "address": heartbeat.address,
                "started_at": heartbeat.started_at,
                "last_seen_at": now,
                "snapshot": heartbeat.snapshot,
                "loaded": heartbeat.loaded,
                "errors": heartbeat.errors,
            },
        )
        if now - heartbeat.started_at > FRESH:
            return
        # A process counts once for each model, at the first heartbeat that names it.
        for model in MLModel.objects.filter(name__in=set(heartbeat.loaded) - set(known_loaded)):
            ReplicaStarts.objects.get_or_create(model=model)
            ReplicaStarts.objects.filter(model=model).update(total=F("total") + 1)


def is_lost(last_seen_at: datetime, newest: datetime) -> bool:
    """Whether a replica is gone. `newest`: when any replica was last heard.

    Counted from there, not from now: when all fall silent at once it is the control plane that is deaf, and what goes
    on serving must go on being scraped.
    """
    return newest - last_seen_at > FORGET_AFTER


def forget_lost() -> int:
    """Delete the replicas that are lost; how many."""
    heard = dict(Replica.objects.values_list("pk", "last_seen_at"))
    newest = max(heard.values(), default=None)
    lost = [key for key, at in heard.items() if newest is not None and is_lost(at, newest)]
    return Replica.objects.filter(pk__in=lost).delete()[0] if lost else 0
