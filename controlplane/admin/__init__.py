"""What the composition adds to the admin; Django looks for this module."""

from controlplane.admin.site import ComposedModelAdmin, PersonAdmin
from controlplane.admin.tokens import ApiTokenAdmin

__all__ = ["ApiTokenAdmin", "ComposedModelAdmin", "PersonAdmin"]
