"""The registry as a YAML file, both ways: what it states is applied as a whole or not at all, and can be repeated."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from controlplane import registry_shape as shape
from controlplane.registry_sections import SECTIONS
from controlplane.registry_sections.section import Applying, Section
from controlplane.registry_yaml import FileRead, Problem, read_yaml
from models_registry.actor import Actor
from models_registry.models import Change

FILE = shape.Document({section.name: section.shape for section in SECTIONS})


@dataclass(frozen=True)
class Outcome:
    """What came of applying: the Changes in order, or what is wrong. With problems nothing was changed."""

    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Checked:
    """A file whose names and types are right."""

    file: FileRead
    folder: Path
    data: dict[str, Any]


def apply_files(files: Sequence[Path], *, actor: Actor, dry_run: bool = False) -> Outcome:
    """Bring the registry to what `files` state, in one transaction; with `dry_run` only tell what would change."""
    checked = [_read(path) for path in files]
    problems = _problems(checked) + _stated_twice(checked)
    if problems:
        return Outcome(problems=problems)
    changes: list[Change] = []
    with transaction.atomic():
        for section in SECTIONS:
            for one in checked:
                changes += _apply_section(section, one, actor)
            problems = _problems(checked)
            if problems:
                # What follows names what stands before it: most of its problems would be echoes.
                break
        if problems or dry_run:
            transaction.set_rollback(True)
    return Outcome(problems=problems) if problems else Outcome(tuple(changes))


def export(model: str | None = None) -> str:
    """The whole registry, or what there is about one model and its teams, as apply reads it."""
    documents = {section.name: section.export(model) for section in SECTIONS}
    stated = {name: rows for name, rows in documents.items() if rows}
    return yaml.dump(stated, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _read(path: Path) -> _Checked:
    try:
        file = read_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        file = FileRead(str(path), problems=[Problem(str(path), 0, "", f"It can't be read: {error.strerror}.")])
    except UnicodeDecodeError:
        file = FileRead(str(path), problems=[Problem(str(path), 0, "", "It is not UTF-8.")])
    data = {} if file.data is None or file.problems else shape.check(FILE, file.data, file)
    return _Checked(file, path.parent, data)


def _problems(checked: Sequence[_Checked]) -> tuple[Problem, ...]:
    return tuple(sorted((p for one in checked for p in one.file.problems), key=lambda p: (p.source, p.line)))


def _stated_twice(checked: Sequence[_Checked]) -> tuple[Problem, ...]:
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


def _apply_section(section: Section, one: _Checked, actor: Actor) -> list[Change]:
    changes: list[Change] = []
    for n, document in enumerate(one.data.get(section.name, ())):
        applying = Applying(one.file, (section.name, n), one.folder, actor)
        section.apply(document, applying)
        changes += applying.changes
    return changes


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
