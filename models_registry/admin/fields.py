"""Form fields that are kinder than raw JSON."""

import json
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

MAX_PROFILE_BYTES = 4 * 1024 * 1024


class LabelsField(forms.CharField):
    """A list of strings, typed one a line, or on one line between commas."""

    def __init__(self, *, rows: int = 3, **kwargs: Any) -> None:
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs={"rows": rows}))
        kwargs.setdefault("required", False)
        self.separator = "\n" if rows > 1 else ", "
        super().__init__(strip=False, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """A list as it is typed; what a person typed stays as it is."""
        if not isinstance(value, list):
            return value
        if not any("," in part for part in value):
            return self.separator.join(value)
        # A line of its own for each where a value holds a comma; a lone one needs the line break to show it.
        return "\n".join(value) + ("\n" if len(value) == 1 else "")

    def to_python(self, value: Any) -> Any:
        """The list; blank entries are left out."""
        if value is None or isinstance(value, list):
            return value or []
        text = str(value).replace("\r\n", "\n")
        parts = text.split("\n") if "\n" in text else text.split(",")
        return [part.strip() for part in parts if part.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compared as lists: another way to type the same is no change."""
        return bool(self.to_python(initial) != self.to_python(data))


class DefaultValueField(forms.CharField):
    """A feature's default: a number for a numeric feature, text for a categorical one. `for_kind` converts it."""

    def prepare_value(self, value: Any) -> Any:
        return "" if value is None else value

    @staticmethod
    def for_kind(text: str, kind: str) -> float | str | None:
        """The value for a feature of `kind`; ValidationError where it is no number but should be."""
        if text == "":
            return None
        if kind != "numeric":
            return text
        try:
            return float(text)
        except ValueError as error:
            raise forms.ValidationError(f"{text!r} is no number, and the feature is numeric.") from error


class ProfileField(forms.FileField):
    """A baseline's profile, uploaded as the JSON file that `python -m drift profile` writes."""

    widget = UnfoldAdminFileFieldWidget

    def clean(self, data: Any, initial: Any = None) -> Any:
        """The profile as a dict, or None where no file was chosen."""
        upload = super().clean(data, initial)
        if not isinstance(upload, UploadedFile):
            return None
        if upload.size is None or upload.size > MAX_PROFILE_BYTES:
            raise forms.ValidationError(f"The file is larger than {MAX_PROFILE_BYTES // 1024 // 1024} MiB.")
        try:
            profile = json.loads(upload.read())
        except ValueError as error:
            raise forms.ValidationError(f"The file is not JSON: {error}.") from error
        if not isinstance(profile, dict):
            raise forms.ValidationError("The file holds no profile: make it with `python -m drift profile`.")
        return profile
