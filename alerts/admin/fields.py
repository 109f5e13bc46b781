"""Form fields that are kinder than seconds and raw JSON."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from telemetry import promql

DEFAULT_INTERVAL = "1m"


class DurationField(forms.CharField):
    """Whole seconds, typed as Prometheus writes them: 30s, 5m, 1h30m."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"widget": UnfoldAdminTextInputWidget, "required": False, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        """Seconds as they are typed; what a person typed stays as it is."""
        return promql.duration(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> Any:
        """The seconds; None where nothing is typed."""
        if value is None or isinstance(value, int):
            return value
        text = str(value).strip()
        if not text:
            return None
        try:
            return promql.seconds(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def validate(self, value: Any) -> None:
        """Required or not; a number has no length to check."""
        if self.required and value is None:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """None: those of a text don't fit seconds."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as seconds: 60s is 1m."""
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except forms.ValidationError:
            return True


class CaseField(forms.CharField):
    """A case of a custom alert, typed a line a series, then `at` and, where it isn't a minute, `every`."""

    def __init__(self, **kwargs: Any) -> None:
        widget = UnfoldAdminTextareaWidget(attrs={"rows": 4, "class": "font-mono", "spellcheck": "false"})
        super().__init__(**{"widget": widget, **kwargs})

    def prepare_value(self, value: Any) -> Any:
        """The stored case as it is typed; what a person typed stays as it is."""
        if not isinstance(value, Mapping):
            return value
        lines = [f"{selector} {values}" for selector, values in value.get("series", {}).items()]
        every = value.get("interval", DEFAULT_INTERVAL)
        return "\n".join(
            [*lines, f"at {value.get('at', '')}", *([] if every == DEFAULT_INTERVAL else [f"every {every}"])]
        )

    def to_python(self, value: Any) -> Any:
        """The case as it is stored. What its series and times hold is checked by the alert itself."""
        if isinstance(value, Mapping) or not value:
            return value
        case: dict[str, Any] = {"series": {}}
        for line in filter(None, map(str.strip, str(value).splitlines())):
            word, _, rest = line.partition(" ")
            if word == "at":
                case["at"] = rest.strip()
            elif word == "every":
                case["interval"] = rest.strip()
            else:
                selector, values = _series(line)
                case["series"][selector] = values
        return case

    def run_validators(self, value: Any) -> None:
        """None: those of a text don't fit a case."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as cases: another way to type the same is no change."""
        return bool(self.to_python(initial) != self.to_python(data))


def _series(line: str) -> tuple[str, str]:
    """(series, values) of a line; a label's value may hold spaces and braces, promtool's values neither."""
    selector, brace, values = line.rpartition("}")
    if not brace:
        selector, _, values = line.partition(" ")
    return f"{selector}{brace}".strip(), values.strip()
