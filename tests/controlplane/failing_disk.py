"""A disk that fails in the middle of something, whoever runs the test (root ignores permissions)."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


class FailingDisk:
    """Lets `spared` writing calls through, then answers each with `code`, until `patched` is undone."""

    CALLS = ((Path, "mkdir"), (Path, "open"), (Path, "rename"), (Path, "replace"), (Path, "symlink_to"), (os, "fsync"))

    def __init__(self, patched: pytest.MonkeyPatch, spared: int, code: int) -> None:
        self.left, self.code, self.hit = spared, code, False
        for owner, name in self.CALLS:
            patched.setattr(owner, name, self._guarded(getattr(owner, name)))

    def _guarded(self, call: Callable[..., object]) -> Callable[..., object]:
        def guarded(*arguments: object, **named: object) -> object:
            if call.__name__ != "open" or not opened_to_read(*arguments, **named):
                self.left -= 1
                if self.left < 0:
                    self.hit = True
                    raise OSError(self.code, os.strerror(self.code))
            return call(*arguments, **named)

        return guarded


def opened_to_read(_: Path, mode: str = "r", *__: object, **___: object) -> bool:
    """Whether `Path.open` is called so."""
    return mode.startswith("r")
