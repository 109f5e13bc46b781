"""The little of HTTP that the app needs: a bounded body in, JSON out."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 10.0
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_JSON = (b"content-type", b"application/json")
encode = msgspec.json.Encoder().encode


class BodyError(Exception):
    """The body can't be had: `status` is what HTTP calls that."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Disconnected(Exception):
    """The client went away before its body had come."""


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The whole body. BodyError when it is too large (before reading it, where its length is announced) or too slow."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not announced.isdigit() or int(announced[:20]) > max_bytes:
        raise BodyError(413, f"The body may have {max_bytes} bytes; send fewer rows at a time.")
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":  # nearly always: it has come with the head
        first: bytes = message.get("body", b"")
        return first
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _rest(message, receive, max_bytes)
    except TimeoutError as error:
        raise BodyError(408, f"The body did not come within {BODY_SECONDS:g} s.") from error


async def _rest(message: Message, receive: Receive, max_bytes: int) -> bytes:
    body = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise BodyError(413, f"The body may have {max_bytes} bytes; send fewer rows at a time.")
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()


def request_id(scope: Scope) -> str:
    """The caller's X-Request-ID where it is fit to be logged, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            text: str = value.decode("ascii")
            return text
    return secrets.token_hex(16)


async def respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a whole answer; JSON unless a header says otherwise."""
    kind = () if any(name == b"content-type" for name, _ in headers) else (_JSON,)
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*kind, length, *headers]})
    await send({"type": "http.response.body", "body": body})
