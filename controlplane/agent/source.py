"""The control plane, as an agent sees it: one address that gives the published release, or says that it is the same."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from alerts.http import Refused, Unreachable
from controlplane.publishing.bundle_tar import MAX_BYTES, BadTar, Contents, unpack

TIMEOUT_SECONDS = 10.0  # for connecting, and between two bytes
WHOLE_SECONDS = 120.0
CHUNK_BYTES = 256 * 1024
NOT_MODIFIED = 304
PLAIN = re.compile(r"[!-~]{1,1000}")  # what a header may carry


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came, and the tag to ask with next time."""

    contents: Contents
    etag: str


@dataclass(frozen=True, slots=True)
class Source:
    """`url` is the control plane's; the token is read from its file at each pull, so that it can be replaced."""

    url: str
    token_file: Path
    timeout: float = TIMEOUT_SECONDS

    def pull(self, etag: str = "") -> Pulled | None:
        """The published release; None where it is still the one with `etag`.

        Unreachable, Refused (a wrong token, nothing published yet), BadTar, and OSError for the token's file.
        """
        headers = {"Authorization": f"Bearer {self._token()}", "Accept-Encoding": "identity"}
        if etag:
            headers["If-None-Match"] = etag
        address = f"{self.url.rstrip('/')}/api/bundle"
        try:
            with requests.get(
                address, headers=headers, timeout=self.timeout, stream=True, allow_redirects=False
            ) as response:
                if response.status_code == NOT_MODIFIED:
                    return None
                if response.status_code >= 500:
                    raise Unreachable(self.url, f"it answers {response.status_code} to /api/bundle")
                if response.status_code != 200:
                    raise Refused(f"{address} answers {response.status_code}: {_told(response)}", response.status_code)
                return Pulled(unpack(_whole(response)), _tag(response))
        except requests.RequestException as error:
            raise Unreachable(self.url, type(error).__name__) from error

    def _token(self) -> str:
        text = self.token_file.read_text(encoding="utf-8", errors="replace").strip()
        if not PLAIN.fullmatch(text):
            raise Refused(f"{self.token_file} holds no token: copy the control plane's BUNDLE_TOKEN_FILE there.")
        return text


def _whole(response: requests.Response) -> bytes:
    """The body, as long as it is neither too large nor too slow."""
    started = time.monotonic()
    body = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BYTES:
            raise BadTar(f"It is larger than {MAX_BYTES} bytes.")
        if time.monotonic() - started > WHOLE_SECONDS:
            raise Unreachable(response.url, f"the release did not arrive within {WHOLE_SECONDS:g} s")
    return bytes(body)


def _tag(response: requests.Response) -> str:
    tag = response.headers.get("ETag", "")
    return tag if PLAIN.fullmatch(tag) else ""


def _told(response: requests.Response) -> str:
    return next(response.iter_content(500), b"").decode(errors="replace")
