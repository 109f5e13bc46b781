"""`python -m controlplane.stack.with_postgres COMMAND...`: runs COMMAND with DATABASE_URL naming a fresh PostgreSQL."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from controlplane.stack.binaries import MissingBinaryError
from controlplane.stack.postgres import Postgres


def main(command: list[str]) -> int:
    """The command's exit code; the server and its data are gone afterwards."""
    if not command:
        print("usage: python -m controlplane.stack.with_postgres COMMAND...", file=sys.stderr)
        return 2
    try:
        with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as postgres:
            return subprocess.run(
                command, env={**os.environ, "DATABASE_URL": postgres.database_url}, check=False
            ).returncode
    except MissingBinaryError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
