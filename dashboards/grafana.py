"""Grafana's annotation API, and what its answers mean for a retry.

Grafana has no idempotency key: posting twice makes two annotations. So the caller gives each annotation a tag of its
own and looks for it before it posts again.
"""

from dataclasses import dataclass
from typing import Any

import requests
from requests.auth import AuthBase

# Seconds to connect, and between two bytes of an answer.
TIMEOUT = (3.0, 10.0)
LOOKUP_LIMIT = 100
# The body can't be mended by sending it again.
REFUSED = frozenset({400, 413, 422})
# The key can be mended: by a person, not by haste.
DENIED = frozenset({401, 403})


class GrafanaError(Exception):
    """Something did not work; the message says what. May be tried again."""


class Denied(GrafanaError):
    """The token is wrong or may not write annotations: wait until a person mends it."""


class Refused(GrafanaError):
    """Grafana will never take this annotation."""


class _Bearer(AuthBase):
    """The token as an authentication of its own: a header alone would lose to an entry in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is posted. `at` is in milliseconds since 1970; `text` is HTML, as Grafana renders it."""

    at: int
    tags: tuple[str, ...]
    text: str

    def body(self) -> dict[str, Any]:
        """The JSON that Grafana reads."""
        return {"time": self.at, "tags": list(self.tags), "text": self.text}


class Grafana:
    """One Grafana, addressed by `url`, with the token of a service account that has the role Editor."""

    def __init__(self, url: str, token: str, timeout: tuple[float, float] = TIMEOUT) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self._session = requests.Session()
        self._session.auth = _Bearer(token)

    def post(self, annotation: Annotation) -> int:
        """Stores `annotation` and returns its id. After any error but Refused and Denied it may be stored all the same.

        Raises Refused, Denied or GrafanaError.
        """
        answer = self._json(self._send("POST", "/api/annotations", json=annotation.body()))
        number = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(number, int):
            raise GrafanaError(f"{self.url} answered without the annotation's id: is it really Grafana?")
        return number

    def find(self, tag: str, at: int) -> list[int]:
        """The ids of the annotations with `tag` at the time `at` (milliseconds), oldest first."""
        query = {"from": at - 1000, "to": at + 1000, "tags": tag, "limit": LOOKUP_LIMIT}
        answer = self._json(self._send("GET", "/api/annotations", params=query))
        if not isinstance(answer, list):
            raise GrafanaError(f"{self.url} answered a search with something else than a list: is it really Grafana?")
        return sorted(found["id"] for found in answer if tag in found.get("tags", ()))

    def delete(self, number: int) -> None:
        """Deletes one annotation. An unknown one is an error (500 in Grafana 7), so look before repeating it."""
        self._send("DELETE", f"/api/annotations/{number}")

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        try:
            response = self._session.request(
                # A redirected POST becomes a GET: the address is wrong, and must be told instead of followed.
                method,
                self.url + path,
                timeout=self.timeout,
                allow_redirects=False,
                **arguments,
            )
        except requests.Timeout as error:
            raise GrafanaError(f"{self.url} did not answer within {self.timeout[1]:g} seconds.") from error
        except requests.RequestException as error:
            raise GrafanaError(f"{self.url} can't be reached: {type(error).__name__}.") from error
        if response.status_code == requests.codes.ok:
            return response
        message = f"{self.url} answered {method} {path} with {response.status_code}: {_message(response)}"
        if response.status_code in DENIED:
            raise Denied(f"{message}. Give GRAFANA_TOKEN a service account's token with the role Editor.")
        if response.status_code in REFUSED:
            raise Refused(message)
        raise GrafanaError(message)

    def _json(self, response: requests.Response) -> Any:
        try:
            return response.json()
        except requests.JSONDecodeError as error:
            raise GrafanaError(f"{self.url} answered with something else than JSON: is it really Grafana?") from error


def _message(response: requests.Response) -> str:
    """What the body says: Grafana sends an object or a list of objects with a `message`, a proxy anything."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return response.reason or "no reason given"
    first = body[0] if isinstance(body, list) and body else body
    said = first.get("message") if isinstance(first, dict) else None
    return str(said or response.reason)[:200]
