"""What is checked, and what the checks found, one file per thing."""

from drift.models.check import DriftCheck
from drift.models.proxy import BusinessProxy, PushedValue
from drift.models.run import CheckRun, CheckStatus

__all__ = ["BusinessProxy", "CheckRun", "CheckStatus", "DriftCheck", "PushedValue"]
