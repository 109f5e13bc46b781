"""What the steps of the walk share: the system, clients of its servers, and waiting for what must become true."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests

from controlplane.stack.system import System

Found = TypeVar("Found")

HTTP_SECONDS = 10.0
POLL_SECONDS = 0.5
MODEL = "flight-delay"


class StepFailed(RuntimeError):
    """A step's claim that did not hold; the message says what was expected and what was seen."""


@dataclass
class Job:
    """One walk through the main job. Steps leave for later ones what they learnt in `notes`."""

    system: System
    token: str
    notes: dict[str, Any] = field(default_factory=dict)
    browser: requests.Session = field(default_factory=requests.Session)

    def api(self, method: str, path: str, *, expect: int | tuple[int, ...] = 200, **body: Any) -> Any:
        """The JSON answer of Plumbline's API to `method path`; StepFailed for another status than expected."""
        answer = requests.request(
            method,
            f"{self.system.addresses.web}/api/{path}",
            json=body or None,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=HTTP_SECONDS * 3,
        )
        expected = (expect,) if isinstance(expect, int) else expect
        if answer.status_code not in expected:
            raise StepFailed(f"{method} /api/{path} answered {answer.status_code}: {answer.text[:500]}")
        return answer.json() if answer.content else None

    def listed(self, path: str) -> list[dict[str, Any]]:
        """The first page of a list of the API."""
        rows: list[dict[str, Any]] = self.api("GET", path)["results"]
        return rows

    def prometheus(self, path: str, **parameters: str) -> Any:
        """`data` of Prometheus' answer to GET /api/v1/<path>."""
        answer = requests.get(
            f"{self.system.addresses.prometheus}/api/v1/{path}", params=parameters, timeout=HTTP_SECONDS
        )
        answer.raise_for_status()
        return answer.json()["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """(labels, value) of each series that `expression` has now."""
        return [(row["metric"], float(row["value"][1])) for row in self.prometheus("query", query=expression)["result"]]

    def firing(self, alert: str, **labels: str) -> list[dict[str, Any]]:
        """Prometheus' firing alerts of that name with those labels."""
        wanted = {"alertname": alert, **labels}
        return [
            active
            for active in self.prometheus("alerts")["alerts"]
            if active["state"] == "firing" and wanted.items() <= active["labels"].items()
        ]

    def alertmanager(self, path: str, **parameters: Any) -> Any:
        """Alertmanager's JSON answer to GET /api/v2/<path>."""
        answer = requests.get(
            f"{self.system.addresses.alertmanager}/api/v2/{path}", params=parameters, timeout=HTTP_SECONDS
        )
        answer.raise_for_status()
        return answer.json()

    def page(self, url: str) -> str:
        """The HTML of a page, signed in as the demo's person."""
        answer = self.browser.get(url, timeout=HTTP_SECONDS * 3)
        if answer.status_code != 200:
            raise StepFailed(f"GET {url} answered {answer.status_code}.")
        return answer.text

    def submit(self, url: str, referer: str, **fields: str) -> str:
        """The HTML that answers a form sent from the page `referer`, redirects followed."""
        fields["csrfmiddlewaretoken"] = self.browser.cookies.get("csrftoken") or ""
        answer = self.browser.post(url, data=fields, headers={"Referer": referer}, timeout=HTTP_SECONDS * 3)
        if answer.status_code != 200:
            raise StepFailed(f"POST {url} answered {answer.status_code}.")
        return answer.text

    def sign_in(self) -> None:
        """Through the form, as a person does."""
        url = f"{self.system.addresses.web}/admin/login/"
        self.page(url)
        sign_in = self.system.sign_in
        page = self.submit(f"{url}?next=/", url, username=sign_in.user, password=sign_in.password)
        if 'name="password"' in page:
            raise StepFailed("The demo's sign-in was not accepted.")

    def serving_counts(self) -> dict[str, float]:
        """model_version -> requests answered so far, read from the serving app itself, not from Prometheus."""
        text = requests.get(f"{self.system.addresses.serving}/metrics", timeout=HTTP_SECONDS).text
        counts: dict[str, float] = {}
        for labels, value in re.findall(r"^ml_inference_requests_total\{([^}]*)\} (\S+)$", text, re.MULTILINE):
            version = re.search(r'model_version="([^"]*)"', labels)
            if version and f'model_name="{MODEL}"' in labels:
                counts[version[1]] = counts.get(version[1], 0.0) + float(value)
        return counts

    def until(self, what: str, look: Callable[[], Found | None], timeout: float) -> Found:
        """What `look` finds, as soon as it is truthy; StepFailed after `timeout` seconds, or when a server has died."""
        end = time.monotonic() + timeout
        while True:
            try:
                found = look()
                problem = ""
            except requests.RequestException as error:
                found, problem = None, f" ({error})"
            if found:
                return found
            if failure := self.system.failure():
                raise failure
            if time.monotonic() > end:
                raise StepFailed(f"{what}: not within {timeout:g} s{problem}.")
            time.sleep(POLL_SECONDS)
