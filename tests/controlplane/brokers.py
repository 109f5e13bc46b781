"""Brokers for the Celery app: one that answers, one that is not there, one that hangs."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis as RedisClient

from controlplane import wake
from controlplane.celery import app
from controlplane.stack.redis import Redis
from tests.controlplane.addresses import free_address


@contextmanager
def with_broker(url: str) -> Iterator[None]:
    """The Celery app talks to the broker at `url`."""
    before = app.conf.broker_url
    app.conf.broker_url = url
    app._after_fork()  # forgets the pooled connections
    wake._Broker.failed_at = None
    yield
    app.conf.broker_url = before
    app._after_fork()
    wake._Broker.failed_at = None


@pytest.fixture
def broker(redis_server: Redis) -> Iterator[Redis]:
    """A Redis of the tests, without tasks."""
    with with_broker(redis_server.url), RedisClient.from_url(redis_server.client_url) as client:
        client.flushall()
        yield redis_server
        client.flushall()


@pytest.fixture
def lost_broker() -> Iterator[None]:
    """An address where nobody listens."""
    with with_broker(f"redis://{free_address()}/0"):
        yield


@pytest.fixture
def hanging_broker() -> Iterator[None]:
    """Something that takes connections and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with with_broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0"):
            yield
