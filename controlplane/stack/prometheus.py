"""Prometheus with a configuration of ours and a store of its own."""

from collections.abc import Sequence
from pathlib import Path

from controlplane.stack import binaries, probes
from controlplane.stack.ports import HOST
from controlplane.stack.process import Process
from controlplane.stack.server import PortServer


class Prometheus(PortServer):
    """Reads `config_file` (through the `current` link: rules keep their identity), stores and logs in `folder`."""

    def __init__(
        self, config_file: Path, folder: Path, port: int | None = None, extra_arguments: Sequence[str] = ()
    ) -> None:
        self.binary = binaries.find("prometheus", "prometheus")
        self.config_file = config_file
        self.folder = folder
        self.extra_arguments = list(extra_arguments)
        super().__init__(Process("prometheus", [], log=folder / "prometheus.log"), port)

    def arguments(self, port: int) -> list[str]:
        return [
            self.binary,
            f"--config.file={self.config_file}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            f"--web.external-url=http://{HOST}:{port}/",
            "--web.enable-lifecycle",
            # Else an alert whose `for` is under ten minutes starts anew with the server.
            "--rules.alert.for-grace-period=0s",
            *self.extra_arguments,
        ]

    def probe(self) -> probes.Probe:
        return probes.http_ok(f"{self.url}/-/ready")
