"""A real Celery worker in a thread, for as many messages as a test has sent."""

from threading import Semaphore
from typing import Any

from celery import Celery
from celery.contrib.testing.worker import start_worker
from celery.signals import task_postrun


def run_messages(broker: Celery, count: int) -> None:
    """Until `count` tasks have ended.

    Nobody may look into the database meanwhile: the tests' SQLite is in memory, where a reader locks a writer out at
    once.
    """
    ended = Semaphore(0)

    def one_more(**_: Any) -> None:
        ended.release()

    task_postrun.connect(one_more)
    with start_worker(broker, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        for _ in range(count):
            assert ended.acquire(timeout=30), "the worker ran too few of the messages"
