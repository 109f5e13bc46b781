"""The first Alertmanager that reads an address from a file, by kind of receiver. The registry and agents read it.

Until then the address would have to be in the bundle, which holds no secret. 0.26 knows msteams_configs, but takes the
address only in its configuration.
"""

import re

Version = tuple[int, ...]
WEBHOOK_FILE_SINCE: Version = (0, 26)
TEAMS_FILE_SINCE: Version = (0, 27)


def version_of(reported: str) -> Version:
    """What a server reports, such as 0.25.0+ds, as numbers that compare; empty where it is no version."""
    found = re.match(r"v?(\d+(?:\.\d+)+)", reported)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def written(version: Version) -> str:
    """0.27 for (0, 27)."""
    return ".".join(map(str, version))
