"""The servers that run a bundle: one Prometheus and one Alertmanager, or several of each (an HA pair).

The rule for several: of each kind at least one must answer. Those that answer run the same release, the old one or the
new one; if one of them refuses it, all go back. Who is away does not hold a release up: it is named, it reads `current`
when it starts, and the next run brings it up to it once it answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from alerts.alertmanager import Alertmanager
from alerts.http import HttpClient, Refused, Unreachable, without_password
from alerts.prometheus import Prometheus
from controlplane.bundle import Bundle
from controlplane.publishing.verify import alertmanager_differences, prometheus_differences

TIMEOUT_SECONDS = 10.0

Server = TypeVar("Server", bound=HttpClient)


@dataclass(frozen=True, slots=True)
class Servers:
    """Who runs a bundle. The first Prometheus is the one that is asked; an agent may have no Alertmanager beside it."""

    prometheuses: tuple[Prometheus, ...]
    alertmanagers: tuple[Alertmanager, ...] = ()

    @classmethod
    def at(
        cls, prometheus_urls: Sequence[str], alertmanager_urls: Sequence[str], timeout: float = TIMEOUT_SECONDS
    ) -> Self:
        """The servers at these addresses."""
        return cls(
            tuple(Prometheus(url, timeout) for url in prometheus_urls),
            tuple(Alertmanager(url, timeout) for url in alertmanager_urls),
        )

    @classmethod
    def from_settings(cls, settings: Any, timeout: float = TIMEOUT_SECONDS) -> Self:
        """From Django's settings."""
        return cls.at(
            (settings.PROMETHEUS_URL, *settings.FURTHER_PROMETHEUS_URLS),
            (settings.ALERTMANAGER_URL, *settings.FURTHER_ALERTMANAGER_URLS),
            timeout,
        )

    @property
    def prometheus(self) -> Prometheus:
        """The one that is asked."""
        return self.prometheuses[0]

    def ready_prometheus(self) -> Prometheus:
        """The first one that is ready; where none is, the first one, which then says why."""
        return next((each for each in self.prometheuses if each.ready()), self.prometheus)

    @property
    def count(self) -> int:
        return len(self.prometheuses) + len(self.alertmanagers)

    def split(self) -> tuple["Servers", list[Unreachable]]:
        """Those that answer, which may be nobody, and of the others why not."""
        lost: list[Unreachable] = []
        prometheuses = _answering(self.prometheuses, lost)
        return Servers(prometheuses, _answering(self.alertmanagers, lost)), lost

    def who_answer(self) -> tuple["Servers", list[str]]:
        """Those that answer, and of the others why not. Unreachable where nobody of a kind answers."""
        there, lost = self.split()
        for kind, left in ((self.prometheuses, there.prometheuses), (self.alertmanagers, there.alertmanagers)):
            if kind and not left:
                raise _together([error for error in lost if error.url in {without_password(s.url) for s in kind}])
        return there, [str(error) for error in lost]

    def differences(self, bundle: Bundle) -> list[str]:
        """What they run otherwise than `bundle` says; empty: they run it. Raises Unreachable and Refused."""
        found = [
            f"{_whose(each, self.prometheuses)}{difference}"
            for each in self.prometheuses
            for difference in prometheus_differences(each, bundle)
        ]
        return found + [
            f"{_whose(each, self.alertmanagers)}{difference}"
            for each in self.alertmanagers
            for difference in alertmanager_differences(each, bundle)
        ]

    def named(self, prometheus: Prometheus) -> str:
        """`http://…: ` before what one of several says; nothing where there is only one."""
        return _whose(prometheus, self.prometheuses)


def _answering(servers: tuple[Server, ...], lost: list[Unreachable]) -> tuple[Server, ...]:
    """Those that say that they are ready; the others are added to `lost`."""
    there = []
    for server in servers:
        try:
            server.text("GET", "/-/ready")
            there.append(server)
        except Unreachable as error:
            lost.append(error)
        except Refused as error:
            lost.append(Unreachable(server.url, f"it answers {error.status} to /-/ready"))
    return tuple(there)


def _together(lost: list[Unreachable]) -> Unreachable:
    if len(lost) == 1:
        return lost[0]
    return Unreachable(" and ".join(error.url for error in lost), "; ".join(error.reason for error in lost))


def _whose(server: HttpClient, of: Sequence[HttpClient]) -> str:
    return f"{without_password(server.url)}: " if len(of) > 1 else ""
