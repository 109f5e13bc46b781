"""Finding the servers' binaries, and saying which Debian package brings the one that is missing."""

import os
import shutil
from pathlib import Path


class MissingBinaryError(RuntimeError):
    """A server that is not installed. The message names its Debian package and the command that installs it."""


def find(package: str, *names: str) -> str:
    """The path of the first of `names` that is on PATH (or in /usr/sbin); MissingBinaryError names `package`."""
    # /usr/sbin is not on a plain user's PATH in Debian.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise missing(package, *names)


def find_postgres(name: str) -> str:
    """The path of PostgreSQL's `name` (initdb, postgres) of the newest version that Debian has installed."""
    versions = [path for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}") if path.parts[4].isdigit()]
    if versions:
        return str(max(versions, key=lambda path: int(path.parts[4])))
    return find("postgresql", name)


def missing(package: str, *names: str) -> MissingBinaryError:
    """The error for a binary that goes by one of `names` and comes with Debian's `package`."""
    return MissingBinaryError(
        f"{' or '.join(names)} is not installed. Debian's package {package} brings it: "
        f"run `apt-get install --no-install-recommends {package}` as root, or script/setup."
    )
