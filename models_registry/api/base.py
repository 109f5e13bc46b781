"""What the registry's endpoints share: strict fields, and create, update and delete through plain functions."""

from copy import copy
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, ValidationError
from django.db.models import Model, QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from models_registry.actor import Actor
from models_registry.models import MLModel
from models_registry.permissions import may_edit_model


def require(allowed: bool, who: str) -> None:
    """403 unless `allowed`; the answer names `who` may."""
    if not allowed:
        raise PermissionDenied(f"Only {who} may do this.")


def unknown_fields(serializer: serializers.Serializer, data: Any) -> dict[str, list[str]]:
    """An error for each key of `data` that is no field: a misspelt one must not be dropped in silence."""
    if not isinstance(data, dict):
        return {}
    known = sorted(name for name, field in serializer.fields.items() if not field.read_only)
    # Read-only fields may come back as they were read.
    return {name: [f"Unknown field; known: {', '.join(known)}."] for name in data if name not in serializer.fields}


class _Strict(serializers.Serializer):
    """Refuses fields that it doesn't know, together with what else is wrong."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = unknown_fields(self, data)
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**error.detail, **unknown}) from error  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return value


class StrictSerializer(_Strict):
    """Refuses fields that it doesn't know."""


class StrictModelSerializer(_Strict, serializers.ModelSerializer):
    """Refuses fields that it doesn't know."""


class RowViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, viewsets.GenericViewSet):
    """List, read, create, change and delete rows of one kind. Subclasses say how each is written."""

    def new(self, fields: dict[str, Any]) -> Model:
        """An unsaved row with `fields`."""
        raise NotImplementedError

    def check_edit(self, row: Model) -> None:
        """PermissionDenied unless the user may create, change or delete `row`."""
        raise NotImplementedError

    def save(self, row: Any, nested: dict[str, Any], actor: Actor) -> None:
        """Write `row` with its Change; `nested` holds the fields that are no columns of it."""
        raise NotImplementedError

    def remove(self, row: Any, actor: Actor) -> None:
        """Delete `row` with its Change."""
        raise NotImplementedError

    def check(self, row: Any, nested: dict[str, Any]) -> None:
        """ValidationError where `save` would refuse; nothing is written."""
        row.full_clean()

    nested_fields: tuple[str, ...] = ()

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Register one."""
        fields = self._validated(request)
        nested = self._split(fields)
        row = self.new(fields)
        self.check_edit(row)
        self.save(row, nested, Actor.of(request.user))
        return Response(self._shown(row), status.HTTP_201_CREATED)

    def update(self, request: Request, *args: Any, partial: bool = False, **kwargs: Any) -> Response:
        """Change one."""
        row = self.get_object()
        self.check_edit(row)
        fields = self._validated(request, row, partial)
        nested = self._split(fields)
        for name, value in fields.items():
            setattr(row, name, value)
        self.save(row, nested, Actor.of(request.user))
        return Response(self._shown(row))

    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change some fields of one."""
        return self.update(request, *args, partial=True, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete one; 409 says what still needs it."""
        row = self.get_object()
        self.check_edit(row)
        self.remove(row, Actor.of(request.user))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _validated(self, request: Request, row: Model | None = None, partial: bool = False) -> dict[str, Any]:
        serializer = self.get_serializer(row, data=request.data, partial=partial)
        if not serializer.is_valid():
            wrong: dict[str, Any] = dict(serializer.errors)
            raise serializers.ValidationError(self._of_the_rest(request, row, wrong) | wrong)
        return dict(serializer.validated_data)

    def _of_the_rest(self, request: Request, row: Model | None, wrong: dict[str, Any]) -> dict[str, Any]:
        """What the row's own rules say of the fields that are right in themselves, where those of `wrong` are not."""
        if not isinstance(request.data, dict):
            return {}
        rest = {name: value for name, value in request.data.items() if name not in wrong}
        serializer = self.get_serializer(row, data=rest, partial=True)
        if not serializer.is_valid():
            return {}
        fields = dict(serializer.validated_data)
        nested = self._split(fields)
        draft = self.new(fields) if row is None else copy(row)
        if any(field.choices for field in draft._meta.concrete_fields if field.name in wrong):
            # What a kind decides can't be told without it.
            return {}
        for name, value in fields.items():
            setattr(draft, name, value)
        try:
            self.check(draft, nested)
        except ValidationError as error:
            found = error.message_dict if hasattr(error, "error_dict") else {}
            return {name: texts for name, texts in found.items() if name != NON_FIELD_ERRORS and name not in wrong}
        except ObjectDoesNotExist:
            # A rule that asks for what is missing.
            return {}
        return {}

    def _split(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {name: fields.pop(name) for name in self.nested_fields if name in fields}

    def _shown(self, row: Any) -> Any:
        # Read again: what was fetched before the edit (nested rows, annotations) is no longer true.
        return self.get_serializer(self.get_queryset().get(pk=row.pk)).data


class OfModelViewSet(RowViewSet):
    """Rows that belong to the model named in the address. Editors of the model's teams write them."""

    model: MLModel

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.model = get_object_or_404(MLModel, name=kwargs["model_name"])
        if request.method not in SAFE_METHODS:
            # Before the body is looked at: whoever may not write learns nothing from its errors.
            require(may_edit_model(request.user, self.model), f"editors of the teams of {self.model}")

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().filter(model__name=self.kwargs.get("model_name", ""))

    def new(self, fields: dict[str, Any]) -> Model:
        row: Model = self.get_queryset().model(model=self.model, **fields)
        return row

    def check_edit(self, row: Model) -> None:
        """`initial` has checked the model already."""
