"""`manage.py quality_exporter`: the drift checks' findings for Prometheus."""

import signal
import sys
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from drift.exporter_http import serve
from telemetry.names import DRIFT_EXPORTER_PORT


class Command(BaseCommand):
    help = "Serve what the drift checks found to Prometheus at /metrics, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=DRIFT_EXPORTER_PORT, help="default: %(default)s")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            server = serve(options["host"], options["port"])
        except OSError as error:
            where = f"{options['host']}:{options['port']}"
            raise CommandError(f"Can't listen on {where}: {error.strerror}. Choose another with --port.") from error
        # `shutdown` waits for `serve_forever`, which this very thread runs.
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        self.stdout.write(f"quality exporter on http://{options['host']}:{server.server_port}/metrics")
        self.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            sys.exit(0)
        finally:
            server.server_close()
