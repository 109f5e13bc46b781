"""What wakes whom, one file per thing."""

from alerts.models.custom import CustomAlert
from alerts.models.digest import TicketDigest
from alerts.models.incident import Incident
from alerts.models.objective import ErrorBudget, HourlyCount, Objective
from alerts.models.policy import AlertPolicy
from alerts.models.runbook import Runbook

__all__ = [
    "AlertPolicy",
    "CustomAlert",
    "ErrorBudget",
    "HourlyCount",
    "Incident",
    "Objective",
    "Runbook",
    "TicketDigest",
]
