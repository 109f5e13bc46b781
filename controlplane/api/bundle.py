"""/api/bundle: the published release with its scrape targets, for agents on other hosts; /api/targets: those of a job.

One shared token, no user.
"""

import hashlib
import json
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.utils.crypto import constant_time_compare
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, NotFound
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.scraping import SERVICES
from controlplane.models import Release
from controlplane.publishing.bundle_tar import Contents, pack
from controlplane.publishing.release_files import ReleaseFiles


class BundleToken(BaseAuthentication):
    """`Authorization: Bearer <token>` with what is in BUNDLE_TOKEN_FILE. It names no user, and reads one thing."""

    def authenticate(self, request: Request) -> tuple[Any, str]:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        expected = settings.BUNDLE_TOKEN
        if scheme.lower() != "bearer" or not expected or not constant_time_compare(given.strip(), expected):
            raise AuthenticationFailed("The agents' token is wrong or missing: see BUNDLE_TOKEN_FILE.")
        return AnonymousUser(), "agent"

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class FromAgent(BasePermission):
    """Whoever has shown the token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return request.auth == "agent"


class BundleTokenScheme(OpenApiAuthenticationExtension):
    """How OpenAPI is told of it."""

    target_class = BundleToken
    name = "bundleToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "The token in BUNDLE_TOKEN_FILE."}


class TarRenderer(BaseRenderer):
    """So that a client may ask for a tar by name. The view answers with the bytes themselves."""

    media_type = "application/x-tar"
    format = "tar"
    render_style = "binary"

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """An error, which is all that comes this way."""
        return JSONRenderer().render(data)


class NotReadable(APIException):
    """The release is not on this machine's disk as it was published; the loop puts it right, or the next one."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The published release can't be read just now: try again."
    default_code = "not_readable"


class BundleView(APIView):
    """The published release."""

    authentication_classes = [BundleToken]
    permission_classes = [FromAgent]
    renderer_classes = [JSONRenderer, TarRenderer]

    @extend_schema(
        operation_id="bundle",
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
        responses={(200, "application/x-tar"): OpenApiTypes.BINARY, 304: None},
    )
    def get(self, request: Request) -> HttpResponse:
        """A tar of the newest release that was published and verified, and of the scrape targets; 304 while it is the
        same. Never one that is still on probation.
        """
        contents = published_contents()
        packed = pack(contents)
        etag = f'"{hashlib.sha256(packed).hexdigest()}"'
        known = {tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")}
        if etag in known:
            response = HttpResponse(status=status.HTTP_304_NOT_MODIFIED)
        else:
            response = HttpResponse(packed, content_type=TarRenderer.media_type)
        response["ETag"] = etag
        response["Cache-Control"] = "no-cache"
        return response


class TargetsView(APIView):
    """The scrape targets of one job, as Prometheus' HTTP discovery asks for them."""

    authentication_classes = [BundleToken]
    permission_classes = [FromAgent]
    renderer_classes = [JSONRenderer]

    @extend_schema(operation_id="targets", responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, job: str) -> Response:
        """What the loop wrote last. 404 before, and for a job that there is not: Prometheus then keeps what it knew."""
        if job not in SERVICES:
            raise NotFound(f"There is no job {job!r}: use one of {', '.join(SERVICES)}.")
        try:
            return Response(json.loads((settings.TARGETS_DIR / f"{job}.json").read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise NotFound("The loop has not written the targets yet.") from error


def published_contents() -> Contents:
    """The newest good release and the present targets; NotFound before the first, NotReadable where it is not whole."""
    release = Release.objects.filter(outcome__in=Release.GOOD).order_by("-pk").values_list("hash", flat=True).first()
    if release is None:
        raise NotFound("Nothing has been published yet.")
    bundle = ReleaseFiles.from_settings(settings).read(release)
    if bundle is None or bundle.hash != release:
        raise NotReadable()
    targets = {path.name: path.read_text(encoding="utf-8") for path in settings.TARGETS_DIR.glob("[!.]*.json")}
    return Contents(bundle, targets)
