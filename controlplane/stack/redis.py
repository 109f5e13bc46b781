"""Redis on a unix socket, in memory only: no port to lose, nothing left behind."""

import shutil
import tempfile
from pathlib import Path
from typing import Self
from urllib.parse import quote

from controlplane.stack import binaries, probes
from controlplane.stack.process import Process
from controlplane.stack.server import Server

# sun_path holds 108 bytes with the closing zero.
SOCKET_PATH_BYTES = 107


class Redis(Server):
    """`url` is Celery's form, `client_url` redis-py's; both name the same socket. Logs go to `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.socket = folder / "redis.sock"
        self._socket_folder: Path | None = None
        if len(bytes(self.socket)) > SOCKET_PATH_BYTES:
            self._socket_folder = Path(tempfile.mkdtemp(prefix="plumbline-redis-"))
            self.socket = self._socket_folder / "redis.sock"
        arguments = [
            binaries.find("redis-server", "redis-server"),
            *("--port", "0"),
            *("--unixsocket", str(self.socket), "--unixsocketperm", "700"),
            *("--save", "", "--appendonly", "no"),
            *("--dir", str(folder), "--daemonize", "no"),
        ]
        super().__init__(Process("redis", arguments, log=folder / "redis.log"))

    @property
    def url(self) -> str:
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=0"

    @property
    def client_url(self) -> str:
        return f"unix://{quote(str(self.socket))}?db=0"

    def start(self) -> Self:
        if self._socket_folder is not None:
            self._socket_folder.mkdir(mode=0o700, exist_ok=True)
        return super().start()

    def stop(self) -> None:
        super().stop()
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)

    def probe(self) -> probes.Probe:
        return probes.redis_pong(self.socket)
