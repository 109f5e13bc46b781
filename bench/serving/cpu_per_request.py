"""CPU time of the serving process per request, and the latencies its clients see. See README.md beside this file."""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry.snapshot import SnapshotModel
from tests.serving import artifacts
from tests.serving.running import Replica, write_snapshot

CONNECTIONS = 8
TICKS = os.sysconf("SC_CLK_TCK")
BODY = b'{"features": {"x": 1.5, "y": 2.5}}'
MIXED_BODY = b'{"features": {"income": 120.0, "zip code": "b"}}'


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def client(port: int, path: str, body: bytes, requests: int, seconds: list[float]) -> None:
    """One keep-alive connection that sends a request as soon as the last one is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    message = head.encode() + body
    for _ in range(requests):
        started = time.perf_counter()
        writer.write(message)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in answer, answer
        await reader.readexactly(int(answer.split(b"content-length: ")[1].split(b"\r\n")[0]))
        seconds.append(time.perf_counter() - started)
    writer.close()


def measure(name: str, pid: int, port: int, path: str, body: bytes, requests: int) -> None:
    """Warm up, run, print one line."""

    async def run(each: int) -> list[float]:
        seconds: list[float] = []
        await asyncio.gather(*(client(port, path, body, each, seconds) for _ in range(CONNECTIONS)))
        return sorted(seconds)

    asyncio.run(run(100))
    before, started = cpu_seconds(pid), time.perf_counter()
    seconds = asyncio.run(run(requests // CONNECTIONS))
    used, elapsed = cpu_seconds(pid) - before, time.perf_counter() - started
    p50, p99 = (seconds[int(len(seconds) * q)] * 1000 for q in (0.5, 0.99))
    print(
        f"{name:<34} {used / len(seconds) * 1e6:6.0f} us CPU a request   {len(seconds) / elapsed:6.0f} a second   "
        f"p50 {p50:5.2f} ms   p99 {p99:5.2f} ms"
    )


@contextmanager
def replica(folder: Path, model: SnapshotModel) -> Iterator[Replica]:
    """Our app with one model."""
    folder.mkdir()
    write_snapshot(folder / "snapshot.json", model)
    with Replica(folder, folder / "snapshot.json") as running:
        yield running


def measure_ours(folder: Path, requests: int) -> None:
    """Our app: ONNX with a canary, then a scikit-learn pipeline."""
    one = artifacts.version(artifacts.constant(folder / "one.onnx", 0.25), "v1")
    two = artifacts.version(artifacts.constant(folder / "two.onnx", 0.75), "v2")
    split = artifacts.model(one, two, canary="v2", canary_percent=10)
    with replica(folder / "onnx", split) as running:
        measure("ours, ONNX, canary at 10 %", running.process.pid, running.port, "/predict", BODY, requests)
    pipeline = artifacts.version(artifacts.mixed_pipeline(folder / "pipeline"), "v1", "sklearn")
    with replica(folder / "sklearn", artifacts.model(pipeline, features=artifacts.MIXED)) as running:
        name = "ours, scikit-learn pipeline"
        measure(name, running.process.pid, running.port, "/predict", MIXED_BODY, requests // 5)


def measure_guide(python: str, folder: Path, requests: int) -> None:
    """The tutorial's service with the same artifact, without a canary."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    service = Path(__file__).with_name("guide_service.py")
    with subprocess.Popen([python, str(service), str(folder / "one.onnx"), str(port)]) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)
            measure("FastAPI and pydantic, ONNX", process.pid, port, "/predict", BODY, requests)
        finally:
            process.terminate()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--fastapi", metavar="PYTHON", help="interpreter of an environment with fastapi")
    found = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure_ours(folder, found.requests)
        if found.fastapi:
            measure_guide(found.fastapi, folder, found.requests)
    return 0


if __name__ == "__main__":
    sys.exit(main())
