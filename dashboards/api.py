"""Annotation deliveries by API, to read: is a deploy already in Grafana?"""

from rest_framework import serializers
from rest_framework.generics import ListAPIView

from dashboards.models import AnnotationDelivery


class AnnotationDeliverySerializer(serializers.ModelSerializer[AnnotationDelivery]):
    """A delivery, with what its change says of itself."""

    kind = serializers.CharField(source="change.kind", read_only=True)
    model_name = serializers.CharField(source="change.model_name", read_only=True)
    version = serializers.CharField(source="change.version", read_only=True)
    summary = serializers.CharField(source="change.summary", read_only=True)
    at = serializers.DateTimeField(source="change.at", read_only=True)

    class Meta:
        model = AnnotationDelivery
        fields = [
            "change",
            "at",
            "kind",
            "model_name",
            "version",
            "summary",
            "state",
            "attempts",
            "next_attempt_at",
            "grafana_id",
            "last_error",
            "delivered_at",
        ]
        read_only_fields = fields


class AnnotationDeliveryList(ListAPIView[AnnotationDelivery]):
    """The deliveries, newest change first. A change without one yet gets it at the loop's next run."""

    queryset = AnnotationDelivery.objects.select_related("change")
    serializer_class = AnnotationDeliverySerializer
    filterset_fields = {"state": ["exact"], "change": ["exact"], "change__model_name": ["exact"]}
    search_fields = ["change__summary", "last_error"]
    ordering_fields = ["change__at", "state"]
