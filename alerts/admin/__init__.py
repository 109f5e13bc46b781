"""The room in the admin, one file per thing; Django looks for this module."""

from alerts.admin.custom import CustomAlertAdmin, CustomAlertInline
from alerts.admin.objectives import ObjectiveAdmin, ObjectiveInline
from alerts.admin.policies import PolicyAdmin, PolicyInline

__all__ = ["CustomAlertAdmin", "CustomAlertInline", "ObjectiveAdmin", "ObjectiveInline", "PolicyAdmin", "PolicyInline"]
