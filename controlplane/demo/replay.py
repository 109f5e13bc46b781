"""Replays the demo's flights as traffic, in time order: `python -m controlplane.demo.replay --help`."""

import argparse
import itertools
import queue
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

import requests

from controlplane.demo.flights import DRIFT_STARTS, MODEL, Flight, flights

TIMEOUT_SECONDS = 10.0
SENDERS = 8
# What script/up plays: three and a half minutes of June, then July and after, again and again.
BEFORE = date(2015, 6, 1)


@dataclass
class Tally:
    """What was answered: `(model_version or '-', HTTP status)` -> requests; status 0: no answer."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, version: str, status: int) -> None:
        """Note one answer."""
        with self.lock:
            self.answers[(version, status)] += 1

    def __str__(self) -> str:
        with self.lock:
            rows = sorted(self.answers.items())
        return ", ".join(f"{version} {status}: {count:,}" for (version, status), count in rows) or "nothing sent"


def play(
    url: str, traffic: Iterable[Flight], *, rate: float, tally: Tally, stop: threading.Event | None = None
) -> None:
    """POST each flight to the serving app at `url`, `rate` a second (0: as fast as it answers), until done or `stop`.

    A slow server slows the replay down: at most SENDERS requests are under way.
    """
    stop = stop or threading.Event()
    waiting: queue.Queue[Flight | None] = queue.Queue(maxsize=SENDERS)
    senders = [threading.Thread(target=_send, args=(url, waiting, tally), daemon=True) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    started = time.monotonic()
    for number, flight in enumerate(traffic):
        if rate:
            stop.wait(max(0.0, started + number / rate - time.monotonic()))
        if stop.is_set():
            break
        waiting.put(flight)
    for _ in senders:
        waiting.put(None)
    for sender in senders:
        sender.join()


def _send(url: str, waiting: "queue.Queue[Flight | None]", tally: Tally) -> None:
    with requests.Session() as session:
        while (flight := waiting.get()) is not None:
            try:
                answer = session.post(
                    f"{url}/models/{MODEL}/predict", json={"features": flight.features}, timeout=TIMEOUT_SECONDS
                )
            except requests.RequestException:
                # The server is starting or gone: the replay goes on, as callers do; the tally says so.
                tally.count("-", 0)
                time.sleep(0.5)
                continue
            tally.count(answer.json().get("model_version") or "-" if answer.ok else "-", answer.status_code)


def story() -> Iterator[Flight]:
    """June, then July to December over and over."""
    yield from flights(BEFORE, DRIFT_STARTS)
    while True:
        yield from flights(DRIFT_STARTS)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m controlplane.demo.replay", description="Replay real flights of 2015 as traffic."
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the serving app (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=40, help="requests a second; 0: as fast as answered")
    parser.add_argument("--from", dest="start", type=date.fromisoformat, help="first day, for example 2015-03-01")
    parser.add_argument("--until", dest="end", type=date.fromisoformat, help="day to stop before")
    parser.add_argument("--loop", action="store_true", help="start again at --from when the days are over")
    parser.add_argument("--count", type=int, help="stop after so many requests")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Play until done, --count, or a signal; the tally goes to standard output."""
    chosen = _arguments(argv)
    if chosen.start is None and chosen.end is None:
        traffic = story()
    else:
        start, end = chosen.start or date.min, chosen.end or date.max
        passes = itertools.repeat(None) if chosen.loop else [None]
        traffic = itertools.chain.from_iterable(flights(start, end) for _ in passes)
    if chosen.count is not None:
        traffic = itertools.islice(traffic, chosen.count)
    stop, tally = threading.Event(), Tally()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    play(chosen.url.rstrip("/"), traffic, rate=chosen.rate, tally=tally, stop=stop)
    sys.stdout.write(f"{tally}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
