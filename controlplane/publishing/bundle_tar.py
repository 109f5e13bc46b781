"""A release and its scrape targets as one tar: what agents on other hosts pull.

It is laid out like the home that it is unpacked into: `releases/<hash>/<path>` and `targets/<job>.json`. The same files
give the same bytes. Reading one trusts nothing in it.
"""

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from controlplane.bundle import Bundle

# The bundle of a fleet of 5,000 models takes a tenth of it.
MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 10_000
RELEASE_FILE = re.compile(r"releases/([0-9a-f]{64})/(.+)", re.DOTALL)
TARGET_FILE = re.compile(r"targets/([a-z0-9][a-z0-9_-]{0,99}\.json)")


class BadTar(ValueError):
    """It is not taken. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What such a tar holds: the release, and the target files by their names."""

    bundle: Bundle
    targets: Mapping[str, str]


def pack(contents: Contents) -> bytes:
    """The tar; equal contents give equal bytes."""
    named = {f"releases/{contents.bundle.hash}/{path}": text for path, text in contents.bundle.files.items()}
    named |= {f"targets/{name}": text for name, text in contents.targets.items()}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in sorted(named.items()):
            content = text.encode()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def unpack(packed: bytes) -> Contents:
    """What the tar holds; BadTar where it is damaged, or holds anything but one whole release and targets."""
    releases: set[str] = set()
    files: dict[str, str] = {}
    targets: dict[str, str] = {}
    for name, text in _members(packed):
        if found := RELEASE_FILE.fullmatch(name):
            releases.add(found[1])
            into, key = files, found[2]
        elif found := TARGET_FILE.fullmatch(name):
            into, key = targets, found[1]
        else:
            raise BadTar(f"{name!r} belongs neither to a release nor to the targets.")
        if key in into:
            raise BadTar(f"{name!r} is there twice.")
        into[key] = text
    if len(releases) != 1:
        raise BadTar(f"It holds {len(releases)} releases instead of one.")
    try:
        bundle = Bundle(files)
    except ValueError as error:
        raise BadTar(str(error)) from error
    [release] = releases
    if bundle.hash != release:
        raise BadTar(f"Its files are not those of release {release[:12]}: their hash is {bundle.hash[:12]}.")
    return Contents(bundle, targets)


def _members(packed: bytes) -> Iterator[tuple[str, str]]:
    if len(packed) > MAX_BYTES:
        raise BadTar(f"It is larger than {MAX_BYTES} bytes.")
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:") as tar:
            for number, member in enumerate(tar):
                if number >= MAX_FILES:
                    raise BadTar(f"It holds more than {MAX_FILES} files.")
                if not member.name.isprintable():
                    raise BadTar(f"{member.name!r} is no name of a file.")
                # A sparse file claims any size without having it.
                if not member.isreg() or member.issparse():
                    raise BadTar(f"{member.name!r} is not a plain file.")
                content = tar.extractfile(member)
                if content is None:
                    raise BadTar(f"{member.name!r} can't be read.")
                yield member.name, content.read().decode()
    except BadTar:
        raise
    except (tarfile.TarError, EOFError, ArithmeticError, LookupError, ValueError) as error:
        # A damaged header makes tarfile raise whatever its fields lead to.
        raise BadTar(f"It can't be read: {error}") from error
