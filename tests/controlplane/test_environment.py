"""A variable that is wrong stops the process with its name and the remedy."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from controlplane import environment


def test_a_version_compares_as_versions_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_VERSION", "0.9")
    assert environment.version("X_VERSION", "1.0") < (0, 27) <= environment.version("Y_VERSION", "0.27.1")


def test_a_file_that_is_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another secret, made in its place, would lock out whoever reads the right one."""
    monkeypatch.setenv("X_TOKEN_FILE", str(tmp_path / "mistyped"))
    with pytest.raises(ImproperlyConfigured, match=r"X_TOKEN_FILE=.*/mistyped' is no file"):
        environment.existing_file("X_TOKEN_FILE", tmp_path / "default")
    (tmp_path / "mistyped").touch()
    assert environment.existing_file("X_TOKEN_FILE", tmp_path / "default") == tmp_path / "mistyped"
    assert environment.existing_file("Y_TOKEN_FILE", tmp_path / "default") == tmp_path / "default"


@pytest.mark.parametrize("value", ["27", "v0.27", "0.27-rc1", "new"])
def test_what_is_no_version_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("X_VERSION", value)
    with pytest.raises(ImproperlyConfigured, match=r"X_VERSION=.*write it like 0\.27"):
        environment.version("X_VERSION", "1.0")
