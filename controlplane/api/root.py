"""/api/: what there is."""

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

LISTS = {
    "teams": "api-team-list",
    "models": "api-model-list",
    "changes": "api-change-list",
    "replicas": "api-replica-list",
    "drift-checks": "api-drift-check-list",
    "business-proxies": "api-business-proxy-list",
    "annotations": "api-annotation-list",
    "releases": "api-release-list",
    "incidents": "api-incident-list",
    "alert-catalogue": "api-alert-catalogue",
    "alert-policies": "api-alert-policy-list",
    "custom-alerts": "api-custom-alert-list",
    "objectives": "api-objective-list",
    "runbooks": "api-runbook-list",
    "silences": "api-silence-list",
    "schema": "api-schema",
    "docs": "api-docs",
}


class ApiRootView(APIView):
    """The lists, the OpenAPI schema and its page."""

    @extend_schema(
        operation_id="root", responses=inline_serializer("Root", {title: serializers.URLField() for title in LISTS})
    )
    def get(self, request: Request) -> Response:
        """The addresses of the lists; what belongs to a model lies under it."""
        return Response({title: reverse(name, request=request) for title, name in LISTS.items()})
