"""What wakes whom, one file per thing."""

from alerts.models.custom import CustomAlert
from alerts.models.digest import TicketDigest
from alerts.models.incident import Incident
from alerts.models.objective import ErrorBudget, HourlyCount, Objective
from alerts.models.policy import AlertPolicy
from alerts.models.runbook import Runbook
from alerts.models.silence import SilenceReminder

__all__ = [
    "AlertPolicy",
    "CustomAlert",
    "ErrorBudget",
    "HourlyCount",
    "Incident",
    "Objective",
    "Runbook",
    "SilenceReminder",
    "TicketDigest",
]
