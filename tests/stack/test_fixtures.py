"""The fixtures that other tests stand on."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Page

from controlplane.stack.receiver import Receiver

DERIVED = (
    "RELEASES_DIR", "CURRENT_LINK", "TARGETS_DIR", "ARTIFACTS_DIR", "PREDICTIONS_DIR", "SECRETS_DIR",
    "SERVING_TOKEN_FILE", "WEBHOOK_TOKEN_FILE",
)  # fmt: skip


@pytest.mark.browser
def test_the_browser_opens_a_page_of_a_server_of_ours(browser_page: Page, webhook_receiver: Receiver) -> None:
    response = browser_page.goto(webhook_receiver.url)
    assert response is not None and response.status == 200
    assert browser_page.locator("body").inner_text() == "[]"


@pytest.mark.browser
def test_no_cookie_of_one_test_is_seen_by_another(browser_page: Page, webhook_receiver: Receiver) -> None:
    browser_page.goto(webhook_receiver.url)
    assert browser_page.context.cookies() == []


def test_a_tests_home_holds_all_that_is_written(plumbline_home: Path) -> None:
    assert all(getattr(settings, name).is_relative_to(plumbline_home) for name in DERIVED)
    assert os.environ["PLUMBLINE_HOME"] == str(plumbline_home)
    assert settings.SERVING_TOKEN_FILE.read_text().strip() == settings.SERVING_TOKEN
    assert settings.SERVING_TOKEN != settings.WEBHOOK_TOKEN
