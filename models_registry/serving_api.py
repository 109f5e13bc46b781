"""What serving replicas talk to: the snapshot they run from, and their heartbeats. One shared token, no user."""

import re
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from models_registry import heartbeats, serving_snapshot
from models_registry.fleet import load_fleet
from models_registry.models import ModelVersion

REPLICA = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9._:-]{0,99}\Z")
# A host name, an IPv4 address or a bracketed IPv6 address, and a port.
ADDRESS = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})")
SNAPSHOT = re.compile(r"\A[0-9a-f]{0,64}\Z")
MAX_MODELS = 1000
MAX_VERSIONS = 100
MAX_MESSAGE = 500
CLOCK_SKEW = timedelta(minutes=5)


class ServingToken(BaseAuthentication):
    """`Authorization: Bearer <SERVING_TOKEN>`. It names no user: a replica can change nothing in the registry."""

    def authenticate(self, request: Request) -> tuple[Any, str]:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        expected = settings.SERVING_TOKEN
        if scheme.lower() != "bearer" or not expected or not constant_time_compare(given.strip(), expected):
            raise AuthenticationFailed("Serving's token is wrong or missing: see SERVING_TOKEN_FILE.")
        return AnonymousUser(), "serving"

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class FromServing(BasePermission):
    """Whoever has shown the token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth == "serving"


class ServingTokenScheme(OpenApiAuthenticationExtension):
    """How OpenAPI is told of it."""

    target_class = ServingToken
    name = "servingToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "The token in SERVING_TOKEN_FILE."}


class HeartbeatSerializer(serializers.Serializer):
    """One heartbeat. Fields of newer replicas are ignored, so that serving can be upgraded first."""

    replica = serializers.RegexField(REPLICA, max_length=100)
    address = serializers.CharField(max_length=255, help_text="host:port, as Prometheus reaches it.")
    started_at = serializers.DateTimeField()
    snapshot = serializers.RegexField(SNAPSHOT, max_length=64, allow_blank=True, help_text="Hash, or empty.")
    loaded = serializers.DictField(child=serializers.ListField(child=serializers.CharField(), max_length=MAX_VERSIONS))
    # The contract's name. Declared fields leave the class, so that the base's property of that name stays.
    errors = serializers.DictField(  # type: ignore[assignment]
        child=serializers.CharField(allow_blank=True), required=False, default=dict
    )

    def validate_address(self, value: str) -> str:
        match = ADDRESS.fullmatch(value)
        if not match or not 1 <= int(match.group(1)) <= 65535:
            raise serializers.ValidationError(f"{value!r} is not host:port: use for example 10.0.0.7:8501.")
        return value

    def validate_started_at(self, value: Any) -> Any:
        if value > timezone.now() + CLOCK_SKEW:
            raise serializers.ValidationError("It lies in the future: set the replica's clock.")
        return value

    def validate_loaded(self, value: dict[str, list[str]]) -> dict[str, list[str]]:
        return self._bounded(value)

    def validate_errors(self, value: dict[str, str]) -> dict[str, str]:
        return self._bounded(value)

    def _bounded(self, value: dict[str, Any]) -> dict[str, Any]:
        if len(value) > MAX_MODELS:
            raise serializers.ValidationError(f"At most {MAX_MODELS} entries.")
        return value


def _registered_only(message: dict[str, Any]) -> heartbeats.Heartbeat:
    """The heartbeat without what the registry doesn't know (a version deleted a moment ago): no new label values."""
    known = set(
        ModelVersion.objects.filter(model__name__in=_named_models(message)).values_list("model__name", "version")
    )
    models = {model for model, _ in known}
    return heartbeats.Heartbeat(
        replica=message["replica"],
        address=message["address"],
        started_at=message["started_at"],
        snapshot=message["snapshot"],
        loaded={
            model: sorted(v for v in set(versions) if (model, v) in known)
            for model, versions in message["loaded"].items()
            if model in models
        },
        errors={
            name: text[:MAX_MESSAGE] for name, text in message["errors"].items() if tuple(name.split("/", 1)) in known
        },
    )


def _named_models(message: dict[str, Any]) -> set[str]:
    return {*message["loaded"], *(name.split("/", 1)[0] for name in message["errors"])}


class SnapshotView(APIView):
    """The serving snapshot."""

    authentication_classes = [ServingToken]
    permission_classes = [FromServing]

    @extend_schema(
        operation_id="serving_snapshot",
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
        responses={(200, "application/json"): OpenApiTypes.OBJECT, 304: None},
    )
    def get(self, request: Request) -> HttpResponse:
        """What replicas run from. The ETag is its hash; 304 while it is the same."""
        snapshot = serving_snapshot.build(load_fleet())
        etag = f'"{snapshot.hash}"'
        known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
        if etag in known:
            response = HttpResponse(status=status.HTTP_304_NOT_MODIFIED)
        else:
            response = HttpResponse(snapshot.text, content_type="application/json")
        response["ETag"] = etag
        response["Cache-Control"] = "no-cache"
        return response


class HeartbeatView(APIView):
    """Heartbeats."""

    authentication_classes = [ServingToken]
    permission_classes = [FromServing]

    @extend_schema(operation_id="serving_heartbeat", request=HeartbeatSerializer, responses={204: None})
    def post(self, request: Request) -> Response:
        """What a replica has loaded, and where it is scraped."""
        serializer = HeartbeatSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        heartbeats.receive(_registered_only(serializer.validated_data))
        return Response(status=status.HTTP_204_NO_CONTENT)
