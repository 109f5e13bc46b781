"""Secrets that Plumbline makes for itself: one file each, readable by its owner only, made once."""

import os
import secrets
from pathlib import Path


def ensure_secret(path: Path) -> str:
    """The secret in `path`, made (43 URL-safe characters) where there is none yet; two processes may start at once."""
    if path.is_file():
        # It may lie in a folder that is not ours to write to, as a container's secrets do.
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole under another name, then linked: a second process sees the whole secret or none.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32), encoding="ascii")
        os.link(draft, path)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    finally:
        draft.unlink(missing_ok=True)
    return path.read_text(encoding="ascii").strip()
