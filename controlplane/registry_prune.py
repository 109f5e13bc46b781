"""Pruning: what the registry holds and its files do not state is removed, in the transaction of applying them.

Only a list that a file states is pruned: a section that no file has stays as it is, and `custom_alerts: []` says that
there are none. What belongs to a model or team that goes, goes with it, whatever its section. Each removal is made by
its room's own function, which writes its Change and refuses what is still needed.
"""

from collections.abc import Sequence

from controlplane import registry_shape as shape
from controlplane.registry_sections import SECTIONS
from controlplane.registry_sections.models import MODELS
from controlplane.registry_sections.section import CheckedFile, Section, Stored
from controlplane.registry_sections.teams import TEAMS
from models_registry.actor import Actor
from models_registry.models import Change


def prune(checked: Sequence[CheckedFile], actor: Actor) -> list[Change]:
    """Remove what is not stated; the Changes. What can't go is noted as a problem of the file that states its like."""
    models, teams = _going(MODELS, checked), _going(TEAMS, checked)
    if _names_what_goes(checked, "model", models) or _names_what_goes(checked, "team", teams):
        return []
    changes = []
    # What names others stands behind them in SECTIONS, and goes before them.
    for section in reversed(SECTIONS):
        stated = _stated(section, checked)
        refused = False
        for stored in section.stored():
            if (stated is not None and stored.key not in stated) or stored.model in models or stored.team in teams:
                try:
                    changes.append(stored.remove(actor=actor))
                except ValueError as error:
                    refused = True
                    _refuse(section, stored, str(error), checked)
        if refused:
            break  # of what it needs, it would be told once more
    return [change for change in changes if change is not None]


def unstated_sections(checked: Sequence[CheckedFile]) -> dict[str, int]:
    """The sections that no file states and that hold something: how much."""
    counts = {s.name: sum(1 for _ in s.stored()) for s in SECTIONS if _stated(s, checked) is None}
    return {name: count for name, count in counts.items() if count}


def _stated(section: Section, checked: Sequence[CheckedFile]) -> set[tuple[str, ...]] | None:
    """The keys that the files state; None where none of them has the section."""
    lists = [one.data[section.name] for one in checked if section.name in one.data]
    return {shape.key_of(section.shape, item) for items in lists for item in items} if lists else None


def _going(section: Section, checked: Sequence[CheckedFile]) -> set[str]:
    stated = _stated(section, checked)
    return set() if stated is None else {stored.key[0] for stored in section.stored() if stored.key not in stated}


def _names_what_goes(checked: Sequence[CheckedFile], field: str, going: set[str]) -> bool:
    """Whether a document is about something that would go: it would be written, and gone at once."""
    found = False
    for one in checked:
        for section in SECTIONS:
            for n, document in enumerate(one.data.get(section.name, ())):
                if document.get(field) in going:
                    found = True
                    told = (
                        f"{document[field]!r} is not stated under `{field}s` and would be removed with this: state it."
                    )
                    one.file.problem((section.name, n, field), told)
    return found


def _refuse(section: Section, stored: Stored, why: str, checked: Sequence[CheckedFile]) -> None:
    one = next((one for one in checked if section.name in one.data), checked[0])
    name = " ".join(part for part in stored.key if part)
    one.file.problem((section.name,), f"{name} is not stated here and can't be removed: {why} Or state it.")
