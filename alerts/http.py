"""Talking HTTP to Prometheus and Alertmanager: always with a time-out, never endlessly, errors told apart.

Two errors, since they ask for different deeds: `Unreachable` (try again later, say so on the page) and `Refused` (it
answered, and said no: trying again changes nothing).
"""

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

# A gateway before the server answers so while the server itself starts or is down.
AWAY = {502, 503, 504}
RETRY_SECONDS = 0.2
LARGEST_MESSAGE = 2000  # characters of an answer that end up in an error


class Unreachable(RuntimeError):
    """No answer worth the name. `url` carries no password, so it may be shown."""

    def __init__(self, url: str, reason: str) -> None:
        self.url = without_password(url)
        self.reason = reason
        super().__init__(f"{self.url} can't be reached: {reason}")


class Refused(RuntimeError):
    """The server answered and refused. `message` is what it said, `status` its HTTP status."""

    def __init__(self, message: str, status: int = 0) -> None:
        self.message = message
        self.status = status
        super().__init__(message)


def without_password(url: str) -> str:
    """`url` without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class HttpClient:
    """One server by its base URL. `timeout`: seconds for connecting, and between two bytes. Reads are retried once."""

    def __init__(self, url: str, timeout: float = 5.0) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._session = requests.Session()

    def request(
        self,
        method: str,
        path: str,
        *,
        data: Mapping[str, str] | None = None,
        json: Any = None,
        timeout: float | None = None,
    ) -> requests.Response:
        """The answer, whatever its status but those of a gateway without a server; Unreachable without one.

        `timeout`: for what takes longer than all else.
        """
        response = self._send(method, path, data, json, self.timeout if timeout is None else timeout)
        if response.status_code in AWAY and not _is_api_error(response):
            raise Unreachable(self.url, f"it answers {response.status_code} to {path}")
        return response

    def _send(
        self, method: str, path: str, data: Mapping[str, str] | None, json: Any, timeout: float
    ) -> requests.Response:
        # Only reading is safe to repeat; a time-out is not repeated, or it would cost twice what was promised.
        for last in (False, True) if method == "GET" else (True,):
            try:
                return self._session.request(
                    method, self.url + path, data=data, json=json, timeout=timeout, allow_redirects=False
                )
            except requests.RequestException as error:
                if last or isinstance(error, requests.Timeout):
                    raise Unreachable(self.url, _cause(error)) from error
                time.sleep(RETRY_SECONDS)
        raise AssertionError("The last attempt either returned or raised.")

    def text(self, method: str, path: str, timeout: float | None = None) -> str:
        """The body; Refused where the status is not 2xx."""
        response = self.request(method, path, timeout=timeout)
        if not response.ok:
            raise Refused(
                response.text[:LARGEST_MESSAGE].strip() or f"{path}: {response.status_code}", _status(response)
            )
        return response.text

    def ready(self) -> bool:
        """Whether `/-/ready` says yes; False also where nobody answers."""
        try:
            return self.request("GET", "/-/ready").ok
        except Unreachable:
            return False


def decoded(response: requests.Response, url: str) -> Any:
    """The JSON body; Unreachable where something else answers at this address."""
    try:
        return response.json()
    except ValueError as error:
        raise Unreachable(url, f"it answers {response.status_code} with no JSON: is this the right address?") from error


def _status(response: requests.Response) -> int:
    return int(response.status_code)


def _is_api_error(response: requests.Response) -> bool:
    """Prometheus itself answers 503 where a query is aborted or timed out; then the body is its API's."""
    return "application/json" in response.headers.get("Content-Type", "")


def _cause(error: requests.RequestException) -> str:
    """The end of the chain of causes, where the reason is: `Connection refused` rather than a pool's repr."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    inner: BaseException = error
    while True:
        reason = getattr(inner, "reason", None)
        following = reason if isinstance(reason, BaseException) else inner.__cause__ or inner.__context__
        if following is None or following is inner:
            break
        inner = following
    return getattr(inner, "strerror", None) or type(inner).__name__
