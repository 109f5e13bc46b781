"""Secrets that Plumbline makes for itself: one file each, readable by its owner only, made once."""

import os
import secrets
from pathlib import Path


def ensure_secret(path: Path, random_bytes: int = 48) -> str:
    """The secret in `path`, made where there is none yet; two processes may start at once.

    48 bytes are 64 URL-safe characters: Django calls a SECRET_KEY of less than 50 weak.
    """
    if path.is_file():
        # It may lie in a folder that is not ours to write to, as a container's secrets do.
        return path.read_text(encoding="ascii").strip()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole under another name, then linked: a second process sees the whole secret or none.
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(random_bytes), encoding="ascii")
        os.link(draft, path)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    finally:
        draft.unlink(missing_ok=True)
    return path.read_text(encoding="ascii").strip()
