"""GET with a bound on the time and on the size of the whole answer, which `requests` alone doesn't give."""

import time
from collections.abc import Iterator, Mapping

import requests
import urllib3

CONNECT_SECONDS = 2.0
_CHUNK = 64 * 1024


class FetchError(Exception):
    """The source could not be read; the message says why and never holds a header or a token."""


def get(
    session: requests.Session, url: str, headers: Mapping[str, str], seconds: float, max_bytes: int
) -> tuple[requests.Response, Iterator[bytes]]:
    """The answer's head and its body in pieces.

    `seconds` bounds the whole transfer: a server that drips a byte at a time defeats a read time-out alone.
    Raises FetchError on refusal, on too many bytes and when time is up; the pieces raise it too.
    """
    deadline = time.monotonic() + seconds
    try:
        response = session.get(url, headers=headers, stream=True, timeout=(min(CONNECT_SECONDS, seconds), seconds))
    except requests.RequestException as error:
        raise FetchError(f"{url} can't be reached: {type(error).__name__}.") from error
    if response.status_code not in (200, 304):
        response.close()
        raise FetchError(f"{url} answered {response.status_code}{_remedy(response.status_code)}.")
    return response, _pieces(response, url, deadline, max_bytes)


def _remedy(status: int) -> str:
    return ": check the token in --token-file" if status in (401, 403) else ""


def _pieces(response: requests.Response, url: str, deadline: float, max_bytes: int) -> Iterator[bytes]:
    received = 0
    try:
        # Not iter_content: it waits until a whole chunk has come, however long that takes.
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            received += len(piece)
            if received > max_bytes:
                raise FetchError(f"{url} sent more than {max_bytes} bytes.")
            if time.monotonic() > deadline:
                raise FetchError(f"{url} took too long: {received} bytes had come when time was up.")
            yield piece
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise FetchError(f"{url} broke off after {received} bytes: {type(error).__name__}.") from error
    finally:
        response.close()
