"""Who may pause a check. Its settings are for editors of the model's teams: drift/admin.py and drift/api.py."""

from typing import Any

from models_registry.models import MLModel
from models_registry.permissions import may_operate_model


def may_pause_check(user: Any, model: MLModel) -> bool:
    """Pausing and resuming is operating, as silencing is: editors, and the on-call who was woken."""
    return may_operate_model(user, model)
