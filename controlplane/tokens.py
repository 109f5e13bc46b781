"""Tokens of the API: made, checked, revoked. `Authorization: Bearer <token>`."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from controlplane.models import ApiToken

PREFIX = "plb_"
SHOWN_CHARACTERS = 8
# Not to write on each request: "last used" needs no more precision than this.
USE_NOTED_EVERY = timedelta(minutes=1)
FAILURES_ALLOWED = 20
FAILURES_WINDOW_SECONDS = 300


def digest(token: str) -> str:
    """What is stored of `token`: 32 random bytes need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def issue(user: Any, name: str) -> tuple[ApiToken, str]:
    """A new token for `user`, and its text, which is kept nowhere. ValidationError where the name is taken."""
    text = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(user=user, name=name, prefix=text[:SHOWN_CHARACTERS], digest=digest(text))
    try:
        row.full_clean()
    except ValidationError as error:
        if "__all__" in error.message_dict:
            raise ValidationError(
                {"name": f"{user} has a token called {name!r} already: choose another name."}
            ) from error
        raise
    row.save()
    return row, text


def revoke(token: ApiToken) -> bool:
    """From now on it is refused. False: it was already."""
    revoked = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    return bool(revoked)


class TokenAuthentication(BaseAuthentication):
    """Bearer tokens. A client address that fails often is refused for some minutes.

    Guessing 32 random bytes is hopeless anyway: the limit keeps the attempts from loading the database. It is counted
    in the process's own cache, so several web processes allow that many times more.
    """

    def authenticate(self, request: Request) -> tuple[Any, ApiToken] | None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        key = f"token-failures:{request.META.get('REMOTE_ADDR', '')}"
        if cache.get(key, 0) >= FAILURES_ALLOWED:
            raise exceptions.Throttled(FAILURES_WINDOW_SECONDS, "Too many wrong tokens from your address.")
        token = self._find(given.strip())
        if token is None:
            cache.add(key, 0, FAILURES_WINDOW_SECONDS)
            cache.incr(key)
            raise exceptions.AuthenticationFailed("This token is unknown, revoked, or its user is not active.")
        self._note_use(token)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def _find(self, given: str) -> ApiToken | None:
        given_digest = digest(given)
        token = ApiToken.objects.select_related("user").filter(digest=given_digest, revoked_at__isnull=True).first()
        if token is None or not constant_time_compare(token.digest, given_digest) or not token.user.is_active:
            return None
        return token

    def _note_use(self, token: ApiToken) -> None:
        now = timezone.now()
        if token.last_used_at is None or now - token.last_used_at > USE_NOTED_EVERY:
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)


class TokenScheme(OpenApiAuthenticationExtension):
    """How OpenAPI is told of it."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "Made on the API tokens page of the registry."}
