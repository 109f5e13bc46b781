"""A home of the bench's own, with the generated fleet in its database."""

import os
from pathlib import Path


def set_up(home: Path, **settings: str) -> None:
    """Django on `home`. Once in a process, before anything of ours that knows Django is imported."""
    os.environ.update({"PLUMBLINE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "controlplane.settings", **settings})
    os.environ.pop("DATABASE_URL", None)
    import django  # noqa: PLC0415  it reads the environment

    django.setup()
