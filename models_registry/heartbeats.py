"""What replicas tell: stored as it comes, at most one row a replica."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from models_registry.models import MLModel, Replica, ReplicaStarts

# A replica that has been silent for longer is no longer scraped or counted.
FORGET_AFTER = timedelta(minutes=10)
SILENT_AFTER = timedelta(seconds=30)


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
    with transaction.atomic():
        known = Replica.objects.filter(name=heartbeat.replica).first()
        known_loaded = known.loaded if known is not None and known.started_at == heartbeat.started_at else {}
        Replica.objects.update_or_create(
            name=heartbeat.replica,
            defaults={
                "address": heartbeat.address,
                "started_at": heartbeat.started_at,
                "last_seen_at": timezone.now(),
                "snapshot": heartbeat.snapshot,
                "loaded": heartbeat.loaded,
                "errors": heartbeat.errors,
            },
        )
        # A process counts once for each model, at the first heartbeat that names it.
        for model in MLModel.objects.filter(name__in=set(heartbeat.loaded) - set(known_loaded)):
            ReplicaStarts.objects.get_or_create(model=model)
            ReplicaStarts.objects.filter(model=model).update(total=F("total") + 1)


def forget_lost(now: datetime) -> int:
    """Delete replicas silent for longer than FORGET_AFTER; how many."""
    return Replica.objects.filter(last_seen_at__lt=now - FORGET_AFTER).delete()[0]
