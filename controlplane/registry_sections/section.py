"""What a section of the registry file is, and what it is handed while it is applied."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.db.models import Model

from controlplane.registry_shape import Documents
from controlplane.registry_yaml import FileRead, Path
from models_registry.actor import Actor
from models_registry.models import Change, MLModel, Team

Exported = list[dict[str, Any]]


@dataclass(frozen=True)
class CheckedFile:
    """A file whose names and types are right; `data` as it is applied."""

    file: FileRead
    folder: FilePath
    data: dict[str, Any]


class NoSuch(ValidationError):
    """A name that nothing in the registry has, of `section` there."""

    def __init__(self, section: str, name: str, field_name: str, message: str) -> None:
        super().__init__({field_name: message})
        self.section = section
        self.name = name


@dataclass(frozen=True)
class Stored:
    """What the database holds of a section: its key there, what it goes with, and how it is removed."""

    key: tuple[str, ...]
    remove: Callable[..., Change | None]  # by actor=; None: there was nothing to remove
    model: str = ""
    team: str = ""


@dataclass
class Applying:
    """One document on its way into the database: collects its Changes, and what is wrong with it."""

    file: FileRead
    path: Path
    folder: FilePath
    actor: Actor
    prune: bool = False  # what a stated list leaves out is removed
    stated: Mapping[str, frozenset[str]] = field(default_factory=dict)  # section -> names that the files state
    changes: list[Change] = field(default_factory=list)
    failed: bool = False

    def wrote(self, change: Change | None) -> None:
        """Note a Change; None is a document that was so already."""
        if change is not None:
            self.changes.append(change)

    @contextmanager
    def at(self, *path: str | int) -> Iterator[None]:
        """What is refused inside is noted at `path` below the document, by field where the refusal names one."""
        try:
            yield
        except ValidationError as error:
            self.failed = True
            if isinstance(error, NoSuch) and error.name in self.stated.get(error.section, ()):
                # It is stated, and would be there if it had not been refused a moment ago.
                return
            named = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
            for name, texts in named.items():
                for text in texts:
                    self.file.problem((*self.path, *path, *self._steps(path, name)), text)
        except DatabaseError:
            raise
        except ValueError as error:
            self.failed = True
            self.file.problem((*self.path, *path), str(error))

    def _steps(self, path: Path, name: str) -> Path:
        """`features.amount.maximum` as steps: to the item of that name, then to its field."""
        if name in ("", "__all__", "non_field_errors"):
            return ()
        stated = self._value((*self.path, *path))
        if name.endswith("_seconds") and name not in stated:
            # The file states `for` and `window` as durations.
            name = name.removesuffix("_seconds")
        collection, _, rest = name.partition(".")
        item, _, inner = rest.rpartition(".")
        items = self._value((*self.path, *path, collection))
        if isinstance(items, list):
            place = next((n for n, i in enumerate(items) if isinstance(i, dict) and i.get("name") == item), None)
            return (collection, place, inner) if place is not None else (collection,)
        return tuple(part for part in (collection, item, inner) if part)

    def _value(self, path: Path) -> Any:
        value = self.file.data
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


@dataclass(frozen=True)
class Section:
    """A list of documents in the file, by its name there."""

    name: str
    shape: Documents
    apply: Callable[[dict[str, Any], Applying], None]
    export: Callable[[str | None], Exported]  # of one model alone, where one is named
    stored: Callable[[], Iterable[Stored]]


def fill(row: Model, stated: dict[str, Any], names: Iterable[str]) -> None:
    """What the document states, and of the rest the defaults: a document is all of its thing."""
    for name in names:
        setattr(row, name, stated[name] if name in stated else row._meta.get_field(name).get_default())  # type: ignore[union-attr]


def team_named(name: str, field_name: str) -> Team:
    """The team; ValidationError on `field_name` where there is none."""
    team = Team.objects.filter(name=name).first()
    if team is None:
        told = f"There is no team {name!r}: add it under `teams`, or correct the name."
        raise NoSuch("teams", name, field_name, told)
    return team


def model_named(name: str, field_name: str = "model") -> MLModel:
    """The model; ValidationError on `field_name` where there is none."""
    model = MLModel.objects.filter(name=name).first()
    if model is None:
        told = f"There is no model {name!r}: add it under `models`, or correct the name."
        raise NoSuch("models", name, field_name, told)
    return model
