"""What dashboards remember: which change has reached Grafana."""

from dashboards.models.delivery import AnnotationDelivery

__all__ = ["AnnotationDelivery"]
