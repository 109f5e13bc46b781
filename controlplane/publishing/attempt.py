"""One attempt to publish, as it is written down: the Release row, kept up to date before and after each step.

Until the switch a database that is lost ends the attempt, and nothing was changed. After it the servers come first: the
attempt goes on without its log, and whoever publishes next, with the database back, finds the row and goes on from it.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import unified_diff
from typing import Any

from django.db import Error as DatabaseLost
from django.db import connection, transaction
from django.utils import timezone

from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.publishing.patience import StillWaiting
from controlplane.publishing.rollout import FROM_THE_SWITCH, Begun, Say, Step, silent
from models_registry.models import Change

LOG = logging.getLogger(__name__)
DIFF_CHARACTERS = 200_000
# difflib's time grows with the square of a file's length; dashboards are long and nobody reads their diffs.
DIFF_LINES = 4_000
AUTHORS = 5
# The steps that servers can see.
BEYOND_RETURN = ("switch", "resume")


@dataclass(frozen=True, slots=True)
class Attempt:
    """`say` is told each step as it ends; `checkpoint` is called between steps, with the name of the one that ended.

    `fence`: the newest row when rendering began. What was written since then, but by us, is newer than our render.
    """

    row: Release
    say: Say = silent
    checkpoint: Say = silent
    fence: int | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Run the block as the step `name`: its time and message are on the row whether it succeeds or not."""
        step, started, at = Step(), time.monotonic(), timezone.now()
        failed = True
        try:
            yield step
            failed = False
        except StillWaiting as waiting:
            step.message = str(waiting)
            raise
        except Exception as error:
            step.message = step.message or f"{type(error).__name__}: {error}"
            raise
        finally:
            self.note(name, step.message, seconds=time.monotonic() - started, at=at.isoformat(), failed=failed)
        self.checkpoint(name)

    def note(self, name: str, message: str, seconds: float = 0.0, at: str = "", *, failed: bool = False) -> None:
        """Add a line to the log."""
        entry = {
            "step": name,
            "at": at or timezone.now().isoformat(),
            "seconds": round(seconds, 3),
            "message": message[:2000],
        }
        self.row.log = [*self.row.log, entry]
        self._store(log=self.row.log)
        # Why a step failed is told once, at the end.
        told = "failed" if failed else message.partition("\n")[0] or "ok"
        self.say(f"{name:<10} {seconds:7.2f} s  {told}")

    @property
    def begun(self) -> Begun:
        """How far the run before came, where it stopped for lack of time. Where its process died: nothing is sure."""
        log = self.row.log
        if not log or not log[-1]["message"].startswith(StillWaiting.MARK):
            return FROM_THE_SWITCH
        return Begun(_since(log, "reload"), _since(log, "verify") if log[-1]["step"] == "probation" else None)

    def on_probation(self) -> None:
        """An outcome that is not the last."""
        self.row.outcome = Release.Outcome.PROBATION
        self._store(outcome=self.row.outcome)

    def finish(self, outcome: Release.Outcome, reason: str = "") -> Release:
        """The end of it."""
        self.row.outcome, self.row.reason, self.row.finished_at = outcome, reason, timezone.now()
        self._store(outcome=outcome, reason=reason, finished_at=self.row.finished_at)
        level = logging.INFO if outcome in Release.GOOD else logging.WARNING
        # Who watches is told the reason by whoever asked for the attempt.
        logged = reason if self.say is silent else ""
        LOG.log(level, "release %s (%s): %s %s", self.row.pk, self.row.hash[:12], outcome, logged)
        return self.row

    @property
    def superseded(self) -> bool:
        """Another attempt began after this one was rendered, so this one must not touch anything any more."""
        since = self.row.pk if self.fence is None else self.fence
        return Release.objects.filter(pk__gt=since).exclude(pk=self.row.pk).exists()

    def _store(self, **fields: Any) -> None:
        try:
            Release.objects.filter(pk=self.row.pk).update(**fields)
        except DatabaseLost:
            if not any(entry["step"] in BEYOND_RETURN for entry in self.row.log):
                raise
            LOG.exception("release %s goes on although the database is lost", self.row.pk)
            connection.close_if_unusable_or_obsolete()  # so that the next try connects anew


def joined(row: Release) -> Release:
    """One row for attempts at the same bundle, one after the other, that all ended as Unreachable.

    It is the first one, which tells the last one's reason and steps: a night without Prometheus would be thousands.
    """
    try:
        first = Release.objects.filter(pk__lt=row.pk).order_by("-pk").first()
        if first is None or _what(first) != _what(row):
            return row
        with transaction.atomic():
            again(first, row.reason, row.log)
            row.delete()
    except DatabaseLost:
        LOG.exception("release %s keeps a row of its own", row.pk)
        return row
    return first


def again(row: Release, reason: str, log: list[dict[str, Any]]) -> None:
    """The row stands for one attempt more, which ended now."""
    row.reason, row.log, row.finished_at, row.tries = reason, log, timezone.now(), row.tries + 1
    row.save(update_fields=["reason", "log", "finished_at", "tries"])


def _what(row: Release) -> tuple[str, str, str]:
    return row.hash, row.base_hash, row.outcome


def _since(log: list[dict[str, Any]], step: str) -> float | None:
    """Seconds since the newest such step ended."""
    newest = next((entry for entry in reversed(log) if entry["step"] == step), None)
    if newest is None:
        return None
    ended = datetime.fromisoformat(newest["at"]) + timedelta(seconds=newest["seconds"])
    return max(0.0, (timezone.now() - ended).total_seconds())


def authors() -> str:
    """Who changed something since the last good release, newest first; plumbline where nobody did."""
    last = Release.objects.filter(outcome__in=Release.GOOD).order_by("-pk").values_list("started_at", flat=True).first()
    changes = Change.objects.order_by("-at")
    if last is not None:
        changes = changes.filter(at__gte=last)
    names = list(dict.fromkeys(changes.values_list("author", flat=True)[:500]))
    return ", ".join(names[:AUTHORS])[:500] or "plumbline"


def unified(base: Bundle | None, bundle: Bundle) -> str:
    """What `bundle` changes, file by file, rules and routes before dashboards; cut after DIFF_CHARACTERS."""
    before = base.files if base is not None else {}
    parts: list[str] = []
    length = 0
    for path in sorted({*before, *bundle.files}, key=lambda path: (path.startswith("grafana/"), path)):
        old, new = before.get(path, ""), bundle.text(path)
        if old == new:
            continue
        part = _file_diff(path, old, new)
        if length + len(part) > DIFF_CHARACTERS:
            parts.append(f"{part[: DIFF_CHARACTERS - length]}\n(the rest is left out)\n")
            break
        parts.append(part)
        length += len(part)
    return "".join(parts)


def _file_diff(path: str, old: str, new: str) -> str:
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) > DIFF_LINES:
        return f"--- a/{path}\n+++ b/{path}\n(too long to compare: {len(before)} lines before, {len(after)} after)\n"
    lines = unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join(lines) + "\n"
