"""The registry file's sections, in the order in which they are applied: each names only what stands before it.

A room adds what it keeps by one file here and its line in this list.
"""

from controlplane.registry_sections.alert_policies import ALERT_POLICIES
from controlplane.registry_sections.business_proxies import BUSINESS_PROXIES
from controlplane.registry_sections.custom_alerts import CUSTOM_ALERTS
from controlplane.registry_sections.drift_checks import DRIFT_CHECKS
from controlplane.registry_sections.models import MODELS
from controlplane.registry_sections.objectives import OBJECTIVES
from controlplane.registry_sections.runbooks import RUNBOOKS
from controlplane.registry_sections.section import Section
from controlplane.registry_sections.teams import TEAMS

SECTIONS: tuple[Section, ...] = (
    TEAMS,
    MODELS,
    ALERT_POLICIES,
    CUSTOM_ALERTS,
    OBJECTIVES,
    DRIFT_CHECKS,
    BUSINESS_PROXIES,
    RUNBOOKS,
)
