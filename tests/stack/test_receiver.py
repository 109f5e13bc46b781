"""The webhook receiver: it keeps what teams would have got, and can refuse like a receiver in trouble."""

import threading

import pytest
import requests

from controlplane.stack.receiver import LARGEST_BODY, Receiver

TIMEOUT = 5


@pytest.fixture(autouse=True)
def nothing_received_yet(webhook_receiver: Receiver) -> None:
    webhook_receiver.clear()


def post(receiver: Receiver, path: str, body: object) -> requests.Response:
    return requests.post(receiver.url + path, json=body, headers={"Authorization": "Bearer secret"}, timeout=TIMEOUT)


def test_what_is_posted_is_kept_by_its_path(webhook_receiver: Receiver) -> None:
    post(webhook_receiver, "/risk/page?x=1", {"alerts": [{"labels": {"alertname": "One"}}]})
    post(webhook_receiver, "/risk/ticket", {"alerts": []})
    [page] = webhook_receiver.received("/risk/page")
    assert page.alerts == [{"labels": {"alertname": "One"}}]
    assert page.authorization == "Bearer secret"
    assert len(webhook_receiver.received()) == 2


def test_a_person_reads_it_without_the_senders_token(webhook_receiver: Receiver) -> None:
    post(webhook_receiver, "/risk/page", {"status": "firing"})
    post(webhook_receiver, "/other", {})
    listed = requests.get(f"{webhook_receiver.url}/risk/page", timeout=TIMEOUT)
    assert [delivery["body"] for delivery in listed.json()] == [{"status": "firing"}]
    assert "secret" not in listed.text
    assert len(requests.get(webhook_receiver.url, timeout=TIMEOUT).json()) == 2


def test_a_receiver_in_trouble_keeps_nothing(webhook_receiver: Receiver) -> None:
    webhook_receiver.answer = 503
    assert post(webhook_receiver, "/risk/page", {}).status_code == 503
    assert webhook_receiver.received() == []


def test_what_is_not_json_or_too_large_is_refused(webhook_receiver: Receiver) -> None:
    assert requests.post(webhook_receiver.url, data=b"a=1", timeout=TIMEOUT).status_code == 400
    too_large = {"Content-Length": str(LARGEST_BODY + 1)}
    assert requests.post(webhook_receiver.url, data=b"", headers=too_large, timeout=TIMEOUT).status_code == 413
    assert webhook_receiver.received() == []


def test_waiting_ends_as_soon_as_enough_has_come(webhook_receiver: Receiver) -> None:
    sender = threading.Timer(0.2, lambda: post(webhook_receiver, "/risk/page", {}))
    sender.start()
    assert len(webhook_receiver.wait_for(1, "/risk/page", timeout=10)) == 1
    sender.join()


def test_waiting_in_vain_says_what_did_not_come(webhook_receiver: Receiver) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 deliveries to /risk/page"):
        webhook_receiver.wait_for(1, "/risk/page", timeout=0.1)


def test_a_taken_port_is_replaced(webhook_receiver: Receiver) -> None:
    with Receiver(webhook_receiver.port) as second:
        assert second.port != webhook_receiver.port
