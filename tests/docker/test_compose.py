"""compose.yml without a Docker engine: valid by the Compose Specification's own schema, and true to this repository.

The schema in compose-spec.schema.json is the Compose Specification's (Apache-2.0).
"""

import json
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.core.management import get_commands

from controlplane.bundle import ALERTMANAGER_CONFIG, PROMETHEUS_CONFIG
from controlplane.secrets import ensure_secret
from tests.dashboards.rendered import rendered
from tests.docker.dockerfile import DOCKERFILES, ROOT

FILE = ROOT / "docker/compose.yml"
TEXT = FILE.read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HOME = "/var/lib/plumbline"
ONE_SHOT = "setup"
OURS = ("setup", "web", "worker", "beat", "quality-exporter")
EACH = pytest.mark.parametrize("name", SERVICES)


def command(name: str) -> str:
    given = SERVICES[name].get("command", [])
    return given if isinstance(given, str) else " ".join(given)


def mounts(name: str) -> dict[str, tuple[str, bool]]:
    """{path in the container: (volume, whether it may be written)}."""
    parts = (volume.split(":") for volume in SERVICES[name].get("volumes", []))
    return {path: (volume, "ro" not in options) for volume, path, *options in parts}


def test_it_is_valid_by_the_compose_specification() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.schema.json").read_text())
    problems = jsonschema.Draft7Validator(schema).iter_errors(COMPOSE)
    assert [f"{'.'.join(map(str, p.absolute_path))}: {p.message}" for p in problems] == []


def test_the_whole_stack_is_there() -> None:
    others = {"serving", "prometheus", "alertmanager", "grafana", "postgres", "redis"}
    assert set(SERVICES) == {*OURS, *others}


@EACH
def test_every_image_has_a_version(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", SERVICES[name]["image"])


@EACH
def test_what_is_built_here_names_its_dockerfile(name: str) -> None:
    build = SERVICES[name].get("build")
    assert (build is not None) == SERVICES[name]["image"].startswith("plumbline")
    if build is not None:
        context = (FILE.parent / build["context"]).resolve()
        assert context == ROOT
        assert context / build["dockerfile"] in DOCKERFILES.values()


def test_the_checkers_in_the_image_are_of_the_servers_versions() -> None:
    dockerfile = DOCKERFILES["control plane"].read_text()
    for name in ("prometheus", "alertmanager"):
        assert f"FROM {SERVICES[name]['image']} AS {name}" in dockerfile


@EACH
def test_health_is_checked_of_all_but_the_one_that_ends(name: str) -> None:
    check = SERVICES[name].get("healthcheck")
    if name == ONE_SHOT:
        assert check == {"disable": True}
    elif check is None:
        assert SERVICES[name]["image"].startswith("plumbline"), "only our own images bring their own check"
    else:
        assert check["test"][0] in ("CMD", "CMD-SHELL")


@EACH
def test_nothing_runs_as_root(name: str) -> None:
    user = str(SERVICES[name].get("user", ""))
    assert (user and user.split(":")[0] not in ("0", "root")) or SERVICES[name]["image"].startswith("plumbline")


@EACH
def test_privileges_are_dropped(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in SERVICES[name]
    assert SERVICES[name]["read_only"] or name == "grafana"


@EACH
def test_ports_are_published_to_this_machine_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@EACH
def test_volumes_secrets_networks_and_services_that_are_used_are_defined(name: str) -> None:
    service = SERVICES[name]
    assert {volume for volume, _ in mounts(name).values()} <= COMPOSE["volumes"].keys()
    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
    assert set(service.get("networks", [])) <= COMPOSE["networks"].keys()
    for needed, how in service.get("depends_on", {}).items():
        ends = needed == ONE_SHOT
        assert how["condition"] == ("service_completed_successfully" if ends else "service_healthy")
        assert needed in SERVICES


def test_all_that_is_defined_is_used() -> None:
    used = [(mounts(name).values(), SERVICES[name].get("secrets", [])) for name in SERVICES]
    assert {volume for volumes, _ in used for volume, _ in volumes} == set(COMPOSE["volumes"])
    assert {secret for _, secrets in used for secret in secrets} == set(COMPOSE["secrets"])


@pytest.mark.parametrize("name", OURS)
def test_the_variables_of_our_processes_are_ones_that_the_settings_read(name: str) -> None:
    settings = (ROOT / "controlplane/settings.py").read_text()
    read = set(re.findall(r'environment\.\w+\(\s*"(\w+)"', settings))
    # Every reader of controlplane.environment takes <NAME>_FILE in place of <NAME>.
    assert [v for v in SERVICES[name]["environment"] if not {v, v.removesuffix("_FILE")} & read] == []


def test_the_variables_of_serving_are_ones_that_it_reads() -> None:
    read = "".join(file.read_text() for file in (ROOT / "serving").rglob("*.py"))
    assert all(f'"{variable}"' in read for variable in SERVICES["serving"]["environment"])


@EACH
def test_secrets_are_files_that_their_user_has_mounted(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    files = {value for variable, value in environment.items() if variable.endswith("_FILE")}
    assert all(value.startswith("/run/secrets/") for value in files)
    assert {value.removeprefix("/run/secrets/") for value in files} <= set(SERVICES[name].get("secrets", []))
    assert not [
        variable for variable in environment if re.search(r"(PASSWORD|TOKEN|SECRET_KEY|DATABASE_URL)$", variable)
    ]


def test_every_secret_is_made_by_the_script(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets"
    script.write_text((ROOT / "docker/make-secrets").read_text())
    script.chmod(0o755)
    subprocess.run([script], check=True, capture_output=True)
    folder = tmp_path / "secrets"
    made = {file.name: file.read_text() for file in folder.iterdir()}
    assert made.keys() == COMPOSE["secrets"].keys()
    assert {f"./secrets/{name}" for name in made} == {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert folder.stat().st_mode & 0o777 == 0o700
    # Each container reads them as another user.
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in folder.iterdir())
    filled = {name: text for name, text in made.items() if name != "grafana_token"}
    assert made["grafana_token"] == ""
    assert all(len(text) >= 64 for text in filled.values())
    assert len(set(filled.values())) == len(filled)
    assert made["postgres_password"] in made["database_url"]
    subprocess.run([script], check=True, capture_output=True)
    assert {file.name: file.read_text() for file in folder.iterdir()} == made, "a second run changes nothing"


def test_a_secret_that_is_mounted_is_read_without_writing_beside_it(tmp_path: Path) -> None:
    secret = tmp_path / "serving_token"
    secret.write_text("mounted\n")
    before = tmp_path.stat().st_mtime_ns
    assert ensure_secret(secret) == "mounted"
    assert tmp_path.stat().st_mtime_ns == before, "a container's secrets lie in a folder that is read-only"


def test_secrets_are_kept_out_of_git() -> None:
    answer = subprocess.run(
        ["git", "check-ignore", "docker/secrets/secret_key"], cwd=ROOT, check=False, capture_output=True
    )
    assert answer.returncode == 0


def test_servers_read_the_bundle_where_the_control_plane_writes_it() -> None:
    assert f"PLUMBLINE_HOME={HOME}\n" in DOCKERFILES["control plane"].read_text()
    assert f"--config.file={HOME}/current/{PROMETHEUS_CONFIG}" in command("prometheus")
    assert f"--config.file={HOME}/current/{ALERTMANAGER_CONFIG}" in command("alertmanager")
    assert "--web.enable-lifecycle --rules.alert.for-grace-period=0s" in command("prometheus")
    provisioning = SERVICES["grafana"]["environment"]["GF_PATHS_PROVISIONING"]
    folder = provisioning.removeprefix(f"{HOME}/current/")
    for kind in ("dashboards", "datasources"):
        assert any(path.startswith(f"{folder}/{kind}/") for path in rendered())
    for name in ("prometheus", "alertmanager", "grafana"):
        assert mounts(name)[HOME] == ("plumbline", False), "the control plane alone writes it"
    assert all(mounts(name)[HOME] == ("plumbline", True) for name in OURS)


def test_receivers_that_need_a_newer_alertmanager_are_taken_where_there_is_one() -> None:
    tag = SERVICES["alertmanager"]["image"].rpartition(":v")[2]
    told = SERVICES["web"]["environment"]["ALERTMANAGER_VERSION"]
    assert tag.startswith(f"{told}.")
    assert f"prom/alertmanager:v{tag} AS" in DOCKERFILES["control plane"].read_text(), "amtool is as new"


@pytest.mark.parametrize("name", OURS)
def test_the_settings_take_what_the_variables_are_set_to(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").mkdir()
    script = tmp_path / "docker/make-secrets"
    script.write_text((ROOT / "docker/make-secrets").read_text())
    script.chmod(0o755)
    subprocess.run([script], check=True, capture_output=True)
    for variable, value in SERVICES[name]["environment"].items():
        plain = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
        monkeypatch.setenv(variable, plain.replace("/run/secrets", str(tmp_path / "docker/secrets")))
    monkeypatch.setenv("PLUMBLINE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    found = runpy.run_path(str(ROOT / "controlplane/settings.py"))
    assert found["DATABASES"]["default"]["HOST"] == "postgres"
    assert (tmp_path / "home/secrets/bundle_token").exists()


def test_predictions_and_artifacts_meet_where_both_sides_look() -> None:
    for name in ("serving", *OURS):
        assert mounts(name)[f"{HOME}/predictions"] == ("predictions", True)
        assert mounts(name)[f"{HOME}/artifacts"] == ("artifacts", name != "serving")


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_manage_py_exists(name: str) -> None:
    text = command(name).replace(",", " ")
    for used in re.findall(r"manage\.py (\w+)", text):
        assert used in get_commands(), used


def test_workers_run_our_celery_application() -> None:
    assert (ROOT / "controlplane/celery.py").exists()
    for name in ("worker", "beat"):
        assert command(name).startswith("celery -A controlplane ")


def test_the_database_and_the_broker_are_reached_by_the_control_plane_alone() -> None:
    assert COMPOSE["networks"]["data"] == {"internal": True}
    reaching = {name for name, service in SERVICES.items() if "data" in service.get("networks", [])}
    assert reaching == {*OURS, "postgres", "redis"}
    for name in ("postgres", "redis"):
        assert SERVICES[name]["networks"] == ["data"]
        assert "ports" not in SERVICES[name]


def test_addresses_name_services_and_their_ports() -> None:
    environment = SERVICES["web"]["environment"]
    addresses = [*environment.values(), *SERVICES["serving"]["environment"].values()]
    aliases = {
        alias
        for service in SERVICES.values()
        for network in (service["networks"].values() if isinstance(service.get("networks"), dict) else ())
        for alias in network.get("aliases", ())
    }
    hosts = {host for address in addresses for host in re.findall(r"(?://|^)([a-z][a-z.-]*):\d+", str(address))}
    assert hosts == {"prometheus", "alertmanager", "redis", "web", "quality-exporter", *aliases}
    assert aliases == {"plumbline.localhost", "grafana.localhost"}
    defaults = re.findall(r"\$\{ALLOWED_HOSTS:-([^}]+)\}", environment["ALLOWED_HOSTS"])
    assert {"web", "plumbline.localhost"} <= set(defaults[0].split(","))
