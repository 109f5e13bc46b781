"""Fixtures of the stack's own tests."""

from pathlib import Path

import pytest

from tests.stack.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine of stand-ins with everything there but the Python packages; its user is root."""
    return Machine(tmp_path)
