"""Alertmanager, alone: no cluster, so no second port."""

from pathlib import Path

from controlplane.stack import binaries, probes
from controlplane.stack.ports import HOST
from controlplane.stack.process import Process
from controlplane.stack.server import PortServer


class Alertmanager(PortServer):
    """Reads `config_file`; silences, notification log and its own log are in `folder`."""

    def __init__(self, config_file: Path, folder: Path, port: int | None = None) -> None:
        # Debian's binary carries the package's name, upstream's does not.
        self.binary = binaries.find("prometheus-alertmanager", "prometheus-alertmanager", "alertmanager")
        self.config_file = config_file
        self.folder = folder
        super().__init__(Process("alertmanager", [], log=folder / "alertmanager.log"), port)

    def arguments(self, port: int) -> list[str]:
        return [
            self.binary,
            f"--config.file={self.config_file}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            f"--web.external-url=http://{HOST}:{port}/",
            "--cluster.listen-address=",
        ]

    def probe(self) -> probes.Probe:
        return probes.http_ok(f"{self.url}/-/ready")
