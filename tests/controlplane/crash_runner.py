"""Run as a process of its own: publishes in forked children that are killed, or compete, and reports what is left.

`python -m tests.controlplane.crash_runner STORY A B` with two bundles as folders; the environment names the home and
the servers. Prints one JSON document a line.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from controlplane.stack.postgres import Postgres

STEPS = ("write", "promtool", "tests", "amtool", "queries", "switch", "reload", "verify", "probation")
DELAYS = (0.02, 0.1, 0.2, 0.3, 0.5, 0.9)  # seconds


def main(story: str, folders: list[str]) -> None:
    bundles = [Bundle.read(Path(folder)) for folder in folders]
    call_command("migrate", verbosity=0)
    {"killed": killed, "competing": competing, "database_lost": database_lost}[story](bundles)


def publisher(wanted: "Bundle") -> "Publisher":
    return Publisher(
        ReleaseFiles.from_settings(settings), Servers.from_settings(settings), lambda: wanted, margin_seconds=4
    )


def killed(bundles: "list[Bundle]") -> None:
    """Towards each bundle in turn: a publisher dies after a step or a delay, and a second one goes on."""
    for turn, moment in enumerate((*STEPS, *DELAYS)):
        wanted = bundles[turn % 2]
        before = files().current_hash()
        wait_for(fork(lambda wanted=wanted, moment=moment: die_at(wanted, moment)))
        left = files().current_hash()
        whole = files().read(left)
        published = publisher(wanted).publish()
        tell(
            moment=moment,
            old_or_new=left in (before, wanted.hash),
            whole=whole is not None and whole.hash == left,
            outcome=str(published.outcome),
            converged=runs_whole(wanted),
            unfinished=Release.objects.filter(outcome__in=Release.UNFINISHED).count(),
            drafts=[path.name for path in files().releases.glob(".*.tmp")],
            steady_since=steady_since(),
        )


def die_at(wanted: "Bundle", moment: str | float) -> None:
    def die(step: str) -> None:
        if step == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    if isinstance(moment, float):
        signal.setitimer(signal.ITIMER_REAL, moment)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # its default ends the process at once, as SIGKILL does
    replace(publisher(wanted), checkpoint=die).publish()


def competing(bundles: "list[Bundle]") -> None:
    """Publishers of different bundles at the same time, over and over."""
    before = Release.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    children = [fork(lambda wanted=wanted: compete(wanted)) for wanted in bundles]
    for child in children:
        wait_for(child)
    rows = (
        Release.objects.filter(pk__gt=before).order_by("pk").values_list("outcome", "hash", "started_at", "finished_at")
    )
    tell(
        attempts=[[outcome, digest, start.timestamp(), end.timestamp()] for outcome, digest, start, end in rows],
        current=files().current_hash(),
        runs=[bundle.hash for bundle in bundles if runs_whole(bundle)],
    )


def compete(wanted: "Bundle") -> None:
    for _ in range(2):
        publisher(wanted).publish(wait_seconds=30)
        time.sleep(0.01)


def database_lost(bundles: "list[Bundle]") -> None:
    """Towards each bundle in turn: PostgreSQL dies after a step, the publisher goes on, and a second one settles it."""
    for turn, moment in enumerate(("queries", "switch", "verify", "probation")):
        old, wanted = bundles[(turn + 1) % 2], bundles[turn % 2]
        if turn == 0:
            publisher(old).publish()

        def lose(step: str, moment: str = moment) -> None:
            if step == moment:
                postgres.kill()

        published = replace(publisher(wanted), checkpoint=lose).publish()
        runs = [name for name, each in (("old", old), ("new", wanted)) if runs_whole(each)]
        connection.close()
        postgres.start()
        following = publisher(wanted).publish()
        tell(
            lost_after=moment,
            outcome=str(published.outcome),
            reason=published.reason,
            runs=" and ".join(runs),
            next=str(following.outcome),
            converged=runs_whole(wanted),
            unfinished=Release.objects.filter(outcome__in=Release.UNFINISHED).count(),
            steady_since=steady_since(),
        )


def runs_whole(bundle: "Bundle") -> bool:
    current = files().current_hash() == bundle.hash and files().read(bundle.hash) == bundle
    return current and not Servers.from_settings(settings).differences(bundle)


def steady_since() -> str:
    """When the alert that no bundle changes began; empty where it does not fire."""
    steady = firing_alert(Servers.from_settings(settings).prometheus, "Steady")
    return steady.active_at.isoformat() if steady is not None else ""


def files() -> "ReleaseFiles":
    return ReleaseFiles.from_settings(settings)


def fork(work: Callable[[], None]) -> int:
    connection.close()  # a connection must not be shared by two processes
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


def wait_for(child: int) -> None:
    os.waitpid(child, 0)


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)  # noqa: T201


if __name__ == "__main__":
    postgres = Postgres(Path(sys.argv[2]).parent / "postgres")
    if sys.argv[1] == "database_lost":
        os.environ["DATABASE_URL"] = postgres.start().database_url
    django.setup()
    from controlplane.bundle import Bundle
    from controlplane.models import Release
    from controlplane.publish import Publisher
    from controlplane.publishing.release_files import ReleaseFiles
    from controlplane.publishing.servers import Servers
    from tests.controlplane.conftest import firing_alert

    try:
        main(sys.argv[1], sys.argv[2:])
    finally:
        postgres.stop()
