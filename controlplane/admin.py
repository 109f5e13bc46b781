"""What the composition adds to the admin; Django looks for this module."""

from controlplane.admin_site import ComposedModelAdmin, PersonAdmin
from controlplane.token_admin import ApiTokenAdmin

__all__ = ["ApiTokenAdmin", "ComposedModelAdmin", "PersonAdmin"]
