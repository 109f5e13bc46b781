"""GET /api/bundle: the published release for agents on other hosts: their token, its tag, never an unproven one."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from controlplane.agent.source import Source
from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.publishing.bundle_tar import unpack
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.target_files import write_targets
from tests.controlplane.bundles import OTHER, alert, bundle, rule_group

PUBLISHED = bundle("127.0.0.1:1")
NEWER = bundle("127.0.0.1:1", {OTHER: rule_group("Other:default", alert("Other", "vector(2)"))})


@pytest.fixture
def files(plumbline_home: Path, settings: Settings) -> ReleaseFiles:
    return ReleaseFiles.from_settings(settings)


def released(files: ReleaseFiles, wanted: Bundle, outcome: str = "published") -> None:
    files.write(wanted)
    files.switch(wanted.hash)
    Release.objects.create(hash=wanted.hash, outcome=outcome)


def get(client: Client, settings: Settings, **headers: str):
    return client.get("/api/bundle", headers={"Authorization": f"Bearer {settings.BUNDLE_TOKEN}"} | headers)


@pytest.mark.django_db
def test_the_release_comes_whole_with_the_targets_and_its_tag(
    files: ReleaseFiles, client: Client, settings: Settings
) -> None:
    released(files, PUBLISHED)
    write_targets(files.targets, {"model-inference.json": "[]\n"})
    first, second = get(client, settings), get(client, settings)
    assert first.status_code == 200 and first["Content-Type"] == "application/x-tar"
    contents = unpack(first.content)
    assert contents.bundle == PUBLISHED and contents.targets == {"model-inference.json": "[]\n"}
    assert first.content == second.content and first["ETag"] == second["ETag"]

    same = get(client, settings, **{"If-None-Match": f'"x", W/{first["ETag"]}'})
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", first["ETag"])
    write_targets(files.targets, {"model-inference.json": '[{"targets": ["a:1"]}]\n'})
    assert get(client, settings, **{"If-None-Match": first["ETag"]}).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", "Basic {}", "Bearer {serving}"])
def test_only_the_agents_token_opens_it(
    files: ReleaseFiles, client: Client, settings: Settings, admin_user, given: str
) -> None:
    released(files, PUBLISHED)
    client.force_login(admin_user)
    header = given.format(settings.BUNDLE_TOKEN, serving=settings.SERVING_TOKEN)
    refused = client.get("/api/bundle", headers={"Authorization": header})
    assert refused.status_code == 401 and b"BUNDLE_TOKEN_FILE" in refused.content


@pytest.mark.django_db
@pytest.mark.parametrize("outcome", ["running", "probation", "rolled_back", "refused", "failed"])
def test_what_is_not_proven_is_not_given(files: ReleaseFiles, client: Client, settings: Settings, outcome: str) -> None:
    assert get(client, settings).status_code == 404
    released(files, PUBLISHED)
    released(files, NEWER, outcome)
    assert unpack(get(client, settings).content).bundle == PUBLISHED


@pytest.mark.django_db
def test_what_was_edited_on_disk_is_not_given(files: ReleaseFiles, client: Client, settings: Settings) -> None:
    released(files, PUBLISHED)
    (files.folder(PUBLISHED.hash) / "prometheus/prometheus.yml").write_text("global: {}\n")
    assert get(client, settings).status_code == 503


@pytest.mark.django_db(transaction=True)
def test_an_agent_pulls_from_the_control_plane_itself(
    files: ReleaseFiles, live_server: LiveServer, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
    released(files, PUBLISHED)
    source = Source(live_server.url, settings.BUNDLE_TOKEN_FILE)
    pulled = source.pull()
    assert pulled is not None and pulled.contents.bundle == PUBLISHED
    assert source.pull(pulled.etag) is None
