"""What wakes whom, one file per thing."""

from alerts.models.custom import CustomAlert
from alerts.models.policy import AlertPolicy

__all__ = ["AlertPolicy", "CustomAlert"]
