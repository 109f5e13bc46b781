"""Working hours on somebody's own clock: whether a moment lies in them, when they began, when they begin next. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from models_registry.fleet import FleetTeam

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Hours:
    """From `start` up to, not including, `end`, on `days`, in the time zone called `zone`: as Alertmanager reads it."""

    start: time
    end: time
    days: tuple[str, ...]
    zone: str

    @classmethod
    def of(cls, team: FleetTeam) -> Self | None:
        """The team's; None for one that is always on duty."""
        if team.always_on_duty:
            return None
        return cls(team.hours_start, team.hours_end, team.working_days, team.time_zone)

    def contain(self, at: datetime) -> bool:
        """Whether `at` lies in them. Alertmanager counts whole minutes."""
        local = at.astimezone(ZoneInfo(self.zone))
        minute = local.time().replace(second=0, microsecond=0)
        return WEEKDAYS[local.weekday()] in self.days and self.start <= minute < self.end

    def began(self, at: datetime) -> datetime | None:
        """The newest beginning up to `at`, in UTC; None where they never begin."""
        return max((start for start, _ in self._around(at) if start <= at), default=None)

    def begin_next(self, at: datetime) -> datetime | None:
        """The first beginning after `at`, in UTC; None where they never begin."""
        return min((start for start, _ in self._around(at) if start > at), default=None)

    def ended(self, at: datetime) -> datetime | None:
        """The newest end up to `at`, in UTC; None where they never begin."""
        return max((end for _, end in self._around(at) if end <= at), default=None)

    def _around(self, at: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Beginnings and ends of a week before and a week after `at`, and the days between."""
        zone = ZoneInfo(self.zone)
        today = at.astimezone(zone).date()
        for offset in range(-_WEEK - 1, _WEEK + 2):
            day = today + timedelta(days=offset)
            if WEEKDAYS[day.weekday()] in self.days:
                yield tuple(datetime.combine(day, t, zone).astimezone(UTC) for t in (self.start, self.end))  # type: ignore[misc]
