"""Environment variables, read once when a process starts. What is wrong is collected, and told all at once."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
Parse = Callable[[str], T]
Show = Callable[[str], str]


class Environment:
    """Reads variables; `check` stops the process where any of them was wrong, naming each, its value and the remedy.

    A parser (controlplane.environment_values) raises ValueError with the rest of a sentence that begins with the
    variable and its value. Nothing is written while reading: what a wrong variable leads to must not exist.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._wrong: list[str] = []

    def read(self, name: str, parse: Parse[T], default: str = "", show: Show = repr) -> T:
        """The variable, parsed; `default`, parsed, where it isn't set, and until `check` where it is wrong."""
        value = self._text(name)
        found = None if value is None else self._parsed(name, parse, value, show)
        if found is not None:
            return found
        try:
            return parse(default)
        except ValueError as error:
            self._wrong.append(f"{name}={show(default)}, its default, {error}")
            self.check()
            raise

    def optional(self, name: str, parse: Parse[T], show: Show = repr) -> T | None:
        """The variable, parsed; None where it isn't set, and until `check` where it is wrong."""
        value = self._text(name)
        return None if value is None else self._parsed(name, parse, value, show)

    def check(self) -> None:
        """ImproperlyConfigured where something was wrong."""
        if len(self._wrong) > 1:
            told = "".join(f"\n  {each}" for each in self._wrong)
            raise ImproperlyConfigured(f"{len(self._wrong)} environment variables are wrong:{told}")
        if self._wrong:
            raise ImproperlyConfigured(self._wrong[0])

    def _parsed(self, name: str, parse: Parse[T], value: str, show: Show) -> T | None:
        try:
            return parse(value)
        except ValueError as error:
            shown = show(value)
            self._wrong.append(f"{name}={shown} {error}" if shown else f"{name} {error}")
            return None

    def _text(self, name: str) -> str | None:
        """The variable, or the content of the file that `<name>_FILE` names (for secrets); None: neither is set."""
        direct, file = self._variables.get(name), self._variables.get(f"{name}_FILE")
        if file is None:
            return direct
        if direct is not None:
            self._wrong.append(f"{name} and {name}_FILE are both set: leave one out.")
            return direct
        try:
            return Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8"
            self._wrong.append(f"{name}_FILE={file!r} can't be read: {why}.")
            return None
