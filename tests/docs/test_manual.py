"""The manual is true to the code: what it names exists, and its example can be applied."""

import ast
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from alerts.catalogue import KINDS
from controlplane.registry_file import apply_files
from models_registry.actor import SYSTEM
from telemetry import promql
from tests.fixtures.registry import make_user

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#]*)(?:#([^)]*))?\)")


def anchors(page: Path) -> set[str]:
    """The headings of `page`, as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(found), f"{page.name} links to {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_manage_py_exist(page: Path) -> None:
    named = set(re.findall(r"manage\.py ([a-z_]+)", page.read_text(encoding="utf-8")))
    assert named <= get_commands().keys()


def test_each_promise_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "invariants.md").read_text(encoding="utf-8")
    promises = text.split("\n## ")[1:12]
    assert [promise.partition(".")[0] for promise in promises] == [str(n) for n in range(1, 12)]
    assert all("::test_" in promise for promise in promises)
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", text):
        assert name in names_in(ROOT / file), f"{file} has no {name}"


def names_in(file: Path) -> set[str]:
    """`test_x` and `Class::test_x` of a test file."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_catalogue_is_told_with_its_defaults(kind) -> None:
    text = (ROOT / "docs" / "alerting.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{kind.name}` |"))
    *_, limits, _window, waits, severity, _told = row.strip("|").split("|")
    assert waits.strip() == (promql.duration(kind.for_) if kind.for_ else "")
    assert severity.strip().startswith(kind.severity)
    for name, default in kind.defaults.items():
        assert f"`{name}`" in row and f"{default:g}" in limits


def test_every_setting_is_told() -> None:
    settings = (ROOT / "controlplane" / "settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r"environment\.\w+\(\s*\"([A-Z_]+)\"", settings))
    told = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")))
    assert read <= told


@pytest.mark.django_db
def test_the_registrys_example_can_be_applied_and_repeated(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "registry.md").read_text(encoding="utf-8")
    (tmp_path / "registry.yml").write_text(text.partition("```yaml\n")[2].partition("\n```\n\n")[0], encoding="utf-8")
    (tmp_path / "baseline.json").write_text('{"schema": 1, "rows": 1000, "features": {}}', encoding="utf-8")
    for name in ("alice", "bob"):
        make_user(name)
    first, second = (apply_files([tmp_path / "registry.yml"], actor=SYSTEM) for _ in range(2))
    assert not first.problems and first.changes
    assert not second.problems and not second.changes
