"""The registry as a YAML file, both ways: what it states is applied as a whole or not at all, and can be repeated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    problems = _problems(checked) + _stated_twice(checked)
    if problems:
        return Outcome(problems=problems)
    changes: list[Change] = []
    left: dict[str, int] = {}
    with transaction.atomic():
        for section in SECTIONS:
            for one in checked:
                changes += _apply_section(section, one, actor, prune)
            problems = _problems(checked)
            if problems:
                # What follows names what stands before it: most of its problems would be echoes.
                break
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
    data = {} if file.data is None or file.problems else shape.check(FILE, file.data, file)
    return CheckedFile(file, path.parent, data)


def _problems(checked: Sequence[CheckedFile]) -> tuple[Problem, ...]:
    return tuple(sorted((p for one in checked for p in one.file.problems), key=lambda p: (p.source, p.line)))


def _stated_twice(checked: Sequence[CheckedFile]) -> tuple[Problem, ...]:
    """The same thing in two files: each apply would change it twice."""
    first: dict[tuple[str, ...], str] = {}
    found = []
    for one in checked:
        for section in SECTIONS:
            for n, item in enumerate(one.data.get(section.name, ())):
                key = (section.name, *shape.key_of(section.shape, item))
                other = first.setdefault(key, one.file.source)
                if other != one.file.source:
                    line = one.file.lines.get((section.name, n), 0)
                    told = one.file.told((section.name, n))
                    found.append(Problem(one.file.source, line, told, f"This is stated in {other} too: leave one out."))
    return tuple(found)


def _apply_section(section: Section, one: CheckedFile, actor: Actor, prune: bool) -> list[Change]:
    changes: list[Change] = []
    for n, document in enumerate(one.data.get(section.name, ())):
        applying = Applying(one.file, (section.name, n), one.folder, actor, prune)
        section.apply(document, applying)
        changes += applying.changes
    return changes


# What YAML takes for the end of a line beside \n: in the other styles a reader folds it into a space.
_ENDS_OF_LINES = frozenset("\r\x85\u2028\u2029")


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; those with ends of lines of another kind escaped."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _ENDS_OF_LINES.intersection(text) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
