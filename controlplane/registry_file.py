"""The registry as a YAML file, both ways: what it states is applied as a whole or not at all, and can be repeated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from controlplane import registry_shape as shape
from controlplane.registry_prune import prune as prune_unstated
from controlplane.registry_prune import unstated_sections
from controlplane.registry_sections import SECTIONS
from controlplane.registry_sections.section import Applying, CheckedFile, Section
from controlplane.registry_yaml import FileRead, Problem, read_yaml
from models_registry.actor import Actor
from models_registry.models import Change

FILE = shape.Document({section.name: section.shape for section in SECTIONS})


@dataclass(frozen=True)
class Outcome:
    """What came of applying: the Changes in order, or what is wrong. With problems nothing was changed."""

    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    left: dict[str, int] = field(default_factory=dict)  # when pruning: what no file has a section for, and how much
    seen: Any = None  # what `look` saw


def apply_files(
    files: Sequence[Path],
    *,
    actor: Actor,
    dry_run: bool = False,
    prune: bool = False,
    look: Callable[[], Any] | None = None,
) -> Outcome:
    """Bring the registry to what `files` state, in one transaction; with `dry_run` only tell what would change.

    With `prune`, what the stated lists leave out is removed, too (controlplane.registry_prune). `look` is called at
    the end of the transaction, and sees what is then stored: also where it is taken back.
    """
    checked = [_read(path) for path in files]
    if any(one.file.data is None and one.file.problems for one in checked):
        # What can't be read may state what the others name.
        return Outcome(problems=_problems(checked))
    _note_stated_twice(checked)
    prune = prune and not _problems(checked)
    stated = {section.name: _names(section, checked) for section in SECTIONS}
    changes: list[Change] = []
    left: dict[str, int] = {}
    with transaction.atomic():
        # Although something is wrong already: so that all that is wrong is told at once.
        for section in SECTIONS:
            for one in checked:
                changes += _apply_section(section, one, Applying(one.file, (), one.folder, actor, prune, stated))
        problems = _problems(checked)
        if prune and not problems:
            changes += prune_unstated(checked, actor)
            problems = _problems(checked)
            left = unstated_sections(checked)
        seen = look() if look is not None and changes and not problems else None
        if problems or dry_run:
            transaction.set_rollback(True)
    if problems:
        return Outcome(problems=problems)
    return Outcome(tuple(changes), left=left, seen=seen)


def export(model: str | None = None) -> str:
    """The whole registry, or what there is about one model and its teams, as apply reads it.

    The whole one states empty sections, too: that there are none is said to who prunes by it.
    """
    documents = {section.name: section.export(model) for section in SECTIONS}
    stated = {name: rows for name, rows in documents.items() if rows or model is None}
    return yaml.dump(stated, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _read(path: Path) -> CheckedFile:
    try:
        file = read_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        file = FileRead(str(path), problems=[Problem(str(path), 0, "", f"It can't be read: {error.strerror}.")])
    except UnicodeDecodeError:
        file = FileRead(str(path), problems=[Problem(str(path), 0, "", "It is not UTF-8.")])
    data: Any = shape.LEFT_OUT if file.data is None or file.problems else shape.check(FILE, file.data, file)
    return CheckedFile(file, path.parent, {} if data is shape.LEFT_OUT else data)


def _problems(checked: Sequence[CheckedFile]) -> tuple[Problem, ...]:
    return tuple(sorted((p for one in checked for p in one.file.problems), key=lambda p: (p.source, p.line)))


def _note_stated_twice(checked: Sequence[CheckedFile]) -> None:
    """The same thing in two files: each apply would change it twice."""
    first: dict[tuple[str, ...], str] = {}
    for one in checked:
        for section in SECTIONS:
            for n, item in enumerate(one.data.get(section.name, ())):
                key = (section.name, *shape.key_of(section.shape, item))
                if item is not None and first.setdefault(key, one.file.source) != one.file.source:
                    one.file.problem((section.name, n), f"This is stated in {first[key]} too: leave one out.")


def _names(section: Section, checked: Sequence[CheckedFile]) -> frozenset[str]:
    """What the files call the things of a section, be they right or wrong."""
    listed = [one.file.data.get(section.name) for one in checked if isinstance(one.file.data, dict)]
    items = [item for items in listed if isinstance(items, list) for item in items if isinstance(item, dict)]
    return frozenset(str(item["name"]) for item in items if "name" in item)


def _apply_section(section: Section, one: CheckedFile, applying: Applying) -> list[Change]:
    changes: list[Change] = []
    for n, document in enumerate(one.data.get(section.name, ())):
        if document is not None:
            each = replace(applying, path=(section.name, n), changes=[])
            section.apply(document, each)
            changes += each.changes
    return changes


# What YAML takes for the end of a line beside \n: in the other styles a reader folds it into a space.
_ENDS_OF_LINES = frozenset("\r\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; those with ends of lines of another kind escaped."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _ENDS_OF_LINES.intersection(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
