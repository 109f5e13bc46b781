"""PostgreSQL for tests: a fresh cluster in a temporary folder, without durability, never run as root."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from controlplane.stack import binaries, probes
from controlplane.stack.ports import HOST
from controlplane.stack.process import Process, ProcessError
from controlplane.stack.server import PortServer

INITDB_SECONDS = 120
SUPERUSER = "plumbline"


class Postgres(PortServer):
    """`database_url` names the cluster's one superuser, by password over TCP. Its data vanish with `stop`.

    initdb and postgres refuse to run as root, so root runs them as `postgres` (Debian's package makes that user) or
    `nobody`; their folder is a temporary one of that user, since a caller's may lie under one that only root can enter.
    """

    ready_timeout = 60.0

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.binary = binaries.find_postgres("postgres")
        self.initdb = binaries.find_postgres("initdb")
        self.password = secrets.token_urlsafe(16)
        self.user = _unprivileged_user() if os.geteuid() == 0 else ""
        self.cluster: Path | None = None
        log = folder / "postgres.log"
        # SIGTERM is PostgreSQL's smart shutdown, which waits for clients: a short grace ends them.
        super().__init__(Process("postgres", [], log=log, cwd=Path("/"), user=self.user, grace=3.0), port)

    @property
    def url(self) -> str:
        return self.database_url

    @property
    def database_url(self) -> str:
        return f"postgres://{SUPERUSER}:{self.password}@{HOST}:{self.port}/postgres"

    def arguments(self, port: int) -> list[str]:
        if self.cluster is None:
            self.cluster = self._new_cluster()
        options = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": str(self.cluster),
            # A test's data outlive a killed server, but need not outlive a power cut.
            "fsync": "off",
            "full_page_writes": "off",
            "timezone": "UTC",
        }
        return [
            self.binary,
            *("-D", str(self.cluster / "data")),
            *(f"--{name.replace('_', '-')}={value}" for name, value in options.items()),
        ]

    def probe(self) -> probes.Probe:
        return probes.postgres_ready(HOST, self.port)

    def stop(self) -> None:
        super().stop()
        if self.cluster is not None:
            shutil.rmtree(self.cluster)
            self.cluster = None

    def _new_cluster(self) -> Path:
        cluster = Path(tempfile.mkdtemp(prefix="plumbline-postgres-"))
        password_file = cluster / "password"
        password_file.write_text(self.password, encoding="ascii")
        if self.user:
            for path in (cluster, password_file):
                shutil.chown(path, self.user)
        command = [
            self.initdb,
            *("-D", str(cluster / "data"), "--username", SUPERUSER, "--pwfile", str(password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"),
            *("--locale-provider", "libc", "--locale", "C.UTF-8"),
        ]
        # The locale is the cluster's own: what the caller's environment says may not exist for the other user.
        result = subprocess.run(
            command,
            user=self.user or None,
            group=self.user or None,
            extra_groups=[] if self.user else None,
            cwd="/",
            env={**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(cluster)},
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
            check=False,
        )
        if result.returncode != 0:
            shutil.rmtree(cluster)
            raise ProcessError(f"initdb ended with exit code {result.returncode}:\n{result.stdout}{result.stderr}")
        return cluster


def _unprivileged_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
