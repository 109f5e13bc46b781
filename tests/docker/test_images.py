"""The Dockerfiles without a Docker engine: what they copy exists and suffices, what they start starts, not as root."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.docker.dockerfile import DOCKERFILES, ROOT, Instruction, copies, ignored, instructions, last_stage

BOTH = pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in DOCKERFILES.items()])


def one(path: Path, name: str) -> Instruction:
    """The instruction that counts: the last of its name in the last stage."""
    return [instruction for instruction in last_stage(path) if instruction.name == name][-1]


def environment(path: Path) -> dict[str, str]:
    pairs = (word.partition("=") for i in last_stage(path) if i.name == "ENV" for word in i.words)
    return {name: value for name, _, value in pairs}


def tree(path: Path, folder: Path) -> Path:
    """What the image holds in its working directory, put together as its COPY lines say."""
    for source, destination in copies(path):
        if destination.startswith("/"):
            continue
        target = folder / destination
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """In the tree, without this repository on the path."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "DATABASE_URL")}
    env |= {"PLUMBLINE_HOME": str(folder / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


@BOTH
def test_every_base_image_has_a_version(path: Path) -> None:
    bases = [instruction.words[0] for instruction in instructions(path) if instruction.name == "FROM"]
    assert bases
    assert all(re.search(r":v?\d+\.\d+\.\d+", base) for base in bases)


@BOTH
def test_what_is_copied_exists_and_is_in_the_build_context(path: Path) -> None:
    assert copies(path)
    for source, _ in copies(path):
        assert (ROOT / source).exists(), source
        assert not ignored(source), f".dockerignore leaves {source} out"


def test_the_build_context_holds_no_state_secrets_or_tests() -> None:
    for outside in ("var", ".git", ".venv", "tests", "docker/secrets", ".env", "requirements/dev.txt"):
        assert ignored(outside), f"{outside} would be sent to the Docker engine"


@BOTH
def test_it_runs_as_a_user_that_is_not_root(path: Path) -> None:
    user = one(path, "USER").text
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), "a number: an orchestrator can tell that it is not root"
    names = [instruction.name for instruction in last_stage(path)]
    assert "RUN" not in names[names.index("USER") :]


def test_both_images_have_the_same_user() -> None:
    assert len({one(path, "USER").text for path in DOCKERFILES.values()}) == 1, "they share the prediction log"


@BOTH
def test_its_health_is_checked_by_what_the_image_has(path: Path) -> None:
    check = one(path, "HEALTHCHECK").text
    command = Instruction("CMD", check.partition("CMD ")[2]).words
    assert command[0] == "python"
    compile(command[2], "healthcheck", "exec")
    assert "/healthz" in command[2]


@BOTH
def test_packages_are_pinned_by_hash(path: Path) -> None:
    installs = [i.text for i in instructions(path) if i.name == "RUN" and "pip install" in i.text]
    assert installs
    assert all("--require-hashes" in install for install in installs)


def test_the_control_plane_holds_each_of_our_rooms_but_serving() -> None:
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
    copied = {source for source, _ in copies(DOCKERFILES["control plane"])}
    assert set(rooms) - copied == {"serving"}


def test_the_serving_image_holds_no_room_that_knows_django() -> None:
    copied = {source for source, _ in copies(DOCKERFILES["serving"])}
    assert copied == {"requirements/serving.txt", "LICENSE", "telemetry", "serving"}
    pinned = (ROOT / "requirements/serving.txt").read_text().lower()
    assert not re.search(r"^(django|djangorestframework|celery|psycopg)\b", pinned, re.MULTILINE)


def test_the_control_plane_starts_from_what_its_image_holds(tmp_path: Path) -> None:
    folder = tree(DOCKERFILES["control plane"], tmp_path)
    command = one(DOCKERFILES["control plane"], "CMD").words
    # gunicorn reads the whole command line, loads the application and ends.
    checked = run(folder, "-m", command[0], *command[1:], "--check-config")
    assert checked.returncode == 0, checked.stderr
    listed = run(folder, "manage.py", "check")
    assert listed.returncode == 0, listed.stderr


def test_serving_starts_from_what_its_image_holds(tmp_path: Path) -> None:
    folder = tree(DOCKERFILES["serving"], tmp_path)
    shell, flag, script = one(DOCKERFILES["serving"], "CMD").words
    assert (shell, flag) == ("sh", "-c")
    options = set(re.findall(r"--[a-z-]+", script))
    told = run(folder, "-m", "serving", "--help")
    assert told.returncode == 0, told.stderr
    assert options <= set(re.findall(r"--[a-z-]+", told.stdout))
    loaded = run(folder, "-c", "import sys, serving.replica; sys.exit('django' in sys.modules)")
    assert loaded.returncode == 0, loaded.stderr


def test_the_variables_of_the_serving_image_are_ones_that_serving_reads() -> None:
    ours = environment(DOCKERFILES["serving"]).keys() - {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    read = "".join(file.read_text() for file in (ROOT / "serving").rglob("*.py"))
    assert ours == {"SERVING_CACHE", "PREDICTIONS_DIR"}
    assert all(f'"{name}"' in read for name in ours)


@BOTH
def test_every_folder_that_is_written_belongs_to_the_user(path: Path) -> None:
    made = " ".join(i.text for i in last_stage(path) if i.name == "RUN")
    for name, value in environment(path).items():
        if value.startswith("/var/"):
            assert re.search(rf"install -d -o plumbline -g plumbline.*{re.escape(value)}\b", made), name
