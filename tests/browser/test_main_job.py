"""The main job as a person does it, in a real Chromium against real servers.

Sign in, register a model, see its rules published, open a runbook, roll back. The loop runs when the test says so.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from alerts.prometheus import Prometheus
from controlplane import reconcile
from controlplane.models import Release
from controlplane.publishing.first_release import write_first_release
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.rendering import render_bundle
from controlplane.stack.alertmanager import Alertmanager as AlertmanagerServer
from controlplane.stack.ports import free_port
from controlplane.stack.prometheus import Prometheus as PrometheusServer
from models_registry import traffic
from models_registry.actor import SYSTEM
from models_registry.models import Change, Member, MLModel
from models_registry.models import Replica as ReplicaRow
from tests.browser.replica import Replica
from tests.fixtures.registry import PASSWORD, SHA256, make_model, make_team, make_user

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner(plumbline_home: Path) -> User:
    """An editor of `payments`, who is on call for `fraud`: v1 live, v2 a canary with 20 %."""
    team = make_team("payments")
    make_team("platform")
    model = make_model("fraud", team, versions=("v1", "v2"), live="v1", features=("amount",))
    traffic.deploy(model, "v2", percent=20, actor=SYSTEM)
    return make_user("owner", team, Member.Role.EDITOR)


@pytest.fixture
def replica(owner: User) -> Iterator[Replica]:
    """Applies the split of `fraud`, and has told the registry where to scrape it."""
    with Replica("fraud", {"v1": 0.8, "v2": 0.2}) as running:
        now = timezone.now()
        loaded = {"fraud": ["v1", "v2"]}
        ReplicaRow.objects.create(
            name="r1", address=running.address, started_at=now, last_seen_at=now, loaded=loaded, snapshot="x"
        )
        yield running


@pytest.fixture
def servers(
    replica: Replica,
    settings: Settings,
    live_server: LiveServer,
    prometheus_server: Callable[..., PrometheusServer],
    alertmanager_server: Callable[..., AlertmanagerServer],
) -> Prometheus:
    """Prometheus and Alertmanager on the first release, with intervals of a second."""
    prometheus_port, alertmanager_port = free_port(), free_port()
    settings.PROMETHEUS_URL = f"http://127.0.0.1:{prometheus_port}"
    settings.ALERTMANAGER_URL = f"http://127.0.0.1:{alertmanager_port}"
    settings.PLUMBLINE_URL = live_server.url
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
    settings.SCRAPE_INTERVAL_SECONDS = settings.DRIFT_SCRAPE_INTERVAL_SECONDS = 1
    settings.EVALUATION_INTERVAL_SECONDS = 1
    write_first_release(ReleaseFiles.from_settings(settings), render_bundle)
    current = settings.CURRENT_LINK
    alertmanager_server(current / "alertmanager" / "alertmanager.yml", port=alertmanager_port)
    prometheus_server(current / "prometheus" / "prometheus.yml", port=prometheus_port)
    return Prometheus(settings.PROMETHEUS_URL)


def test_register_publish_and_roll_back(
    owner: User, replica: Replica, servers: Prometheus, live_server: LiveServer, browser_page: Page
) -> None:
    page = browser_page
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    sign_in(page, live_server.url)
    expect(page.get_by_role("link", name="fraud")).to_be_visible()

    register(page, live_server.url)
    assert MLModel.objects.get(name="churn").versions.get().version == "2026.1"

    reconcile.run_once()
    see_it_published(page, live_server.url)
    assert any("churn" in rule.query for group in servers.rules() for rule in group.rules)

    roll_back_from_the_runbook(page, live_server.url, replica)
    change = Change.objects.get(kind="rollback")
    assert (change.author, change.model_name, change.reason) == ("owner", "fraud", "a third of its requests fail")
    assert problems == []


def sign_in(page: Page, url: str) -> None:
    page.goto(url)
    page.get_by_label("Username").fill("owner")
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    expect(page).to_have_title(re.compile("Fleet"))


def register(page: Page, url: str) -> None:
    page.get_by_role("link", name="Register a model").click()
    page.locator("#id_name").fill("churn")
    page.locator("#id_description").fill("Who is about to leave?")
    page.locator("#id_classes").fill("stays\nleaves")
    for field in ("on_call_team", "applied_ml_team", "data_team"):
        choose(page, field, "payments")
    page.get_by_role("link", name="First version").click()
    page.locator("#id_versions-0-version").fill("2026.1")
    page.locator("#id_versions-0-artifact").fill("/srv/artifacts/churn.skops")
    page.locator("#id_versions-0-sha256").fill(SHA256)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("tr", has_text="nobody answers").get_by_role("link", name="churn").first).to_be_visible()


def choose(page: Page, field: str, name: str) -> None:
    """Type into an autocomplete and take what it finds."""
    page.locator(f"#id_{field} + .select2").click()
    page.locator(".select2-search__field").fill(name)
    page.locator(".select2-results__option", has_text=name).first.click()


def see_it_published(page: Page, url: str) -> None:
    page.goto(f"{url}/releases/")
    newest = Release.objects.first()
    assert newest is not None
    row = page.get_by_role("row").filter(has=page.locator(f"#release-{newest.pk}"))
    expect(row).to_contain_text("Published")
    expect(row).to_contain_text("current")
    row.get_by_role("link").click()
    expect(page.locator(".pl-diff .pl-diff-added").filter(has_text="churn").first).to_be_visible()


def roll_back_from_the_runbook(page: Page, url: str, replica: Replica) -> None:
    page.goto(f"{url}/runbooks/MLInferenceHighErrorRate/?model_name=fraud&model_version=v2")
    # The page refreshes itself until Prometheus has seen enough.
    expect(page.locator("#live")).to_contain_text("Yes: v2, the canary", timeout=20_000)
    expect(page.locator("#live")).to_contain_text(re.compile(r"v2 has 3[34]\S* % errors"))
    page.get_by_role("link", name="Roll back…").first.click()
    expect(page.locator("#preview")).to_have_text("Empties canary v2 (20 %); v1 answers all.")
    page.get_by_label("Reason (optional)").fill("a third of its requests fail")
    page.get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("canary v2 rolled back, v1 answers all").first).to_be_visible()
    expect(page.locator("#shift")).to_contain_text("Replicas are applying the new split")
    replica.serve({"v1": 1.0})
    expect(page.locator("#shift")).to_contain_text("Every replica has applied the new split", timeout=15_000)
