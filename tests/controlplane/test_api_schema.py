"""The OpenAPI schema: whole, without warnings, every endpoint told about."""

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

from controlplane.api.root import LISTS

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def operations() -> dict[tuple[str, str], dict]:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    return {
        (method, path): item[method] for path, item in schema["paths"].items() for method in METHODS if method in item
    }


def test_it_is_made_without_a_warning(tmp_path):
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))


def test_every_operation_says_what_it_does(operations):
    silent = [operation for operation, told in operations.items() if not told.get("description")]
    assert silent == []


def test_serving_is_told_of_its_own_token(operations):
    assert operations["get", "/api/serving/snapshot"]["security"] == [{"servingToken": []}]
    assert operations["get", "/api/bundle"]["security"] == [{"bundleToken": []}]
    assert {"token": []} in operations["get", "/api/models/"]["security"]


def test_the_version_call_for_ci_is_told_with_its_deploy(operations):
    body = operations["post", "/api/models/{model_name}/versions/"]["requestBody"]
    assert "Register" in str(body)


@pytest.mark.django_db
def test_the_root_lists_what_there_is(client: Client, stranger, settings):
    settings.ALERTMANAGER_URL = "http://127.0.0.1:9"
    client.force_login(stranger)
    root = client.get("/api/").json()
    assert set(root) == set(LISTS)
    answered = {title: client.get(address).status_code for title, address in root.items()}
    # Alertmanager keeps them, and there is none here.
    assert answered.pop("silences") == 503
    assert set(answered.values()) == {200}


def test_the_root_knows_each_list(operations):
    """A list that a room adds fails here until the root names it."""
    paths = {path for method, path in operations if method == "get" and "{" not in path}
    named = {reverse(name) for name in LISTS.values()}
    machines = {"/api/bundle", *(path for path in paths if path.startswith("/api/serving/"))}
    assert paths - machines - {"/api/"} <= named
