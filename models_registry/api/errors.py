"""What the rooms' functions raise, as answers: 400 with the field, 403, 409 with the remedy."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from models_registry.edits import VersionDiffers
from models_registry.removal import InUse
from models_registry.traffic import TrafficError


class Conflict(exceptions.APIException):
    """The request is right in itself, but not in the present state."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "conflict"


class ServerUnreachable(exceptions.APIException):
    """A server that we ask doesn't answer: what was asked for is not known, and nothing was changed."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unreachable"


class ServerRefused(exceptions.APIException):
    """A server that we ask answered, and refused."""

    status_code = status.HTTP_502_BAD_GATEWAY
    default_code = "refused"


class TooLarge(exceptions.APIException):
    """The body passes DATA_UPLOAD_MAX_MEMORY_SIZE; it was not read."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request's body is too large."
    default_code = "too_large"


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler, which knows our own exceptions too."""
    return exception_handler(_translated(error), context)


def _translated(error: Exception) -> Exception:
    if isinstance(error, DjangoValidationError):
        detail: Any = error.message_dict if hasattr(error, "error_dict") else {"non_field_errors": error.messages}
        return exceptions.ValidationError({"non_field_errors" if k == "__all__" else k: v for k, v in detail.items()})
    if isinstance(error, VersionDiffers):
        told = {name: f"Registered as {old!r}." for name, (old, _) in error.fields.items()}
        return Conflict({"detail": str(error), "fields": told})
    if isinstance(error, TrafficError | InUse):
        return Conflict({"detail": str(error)})
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    return error
