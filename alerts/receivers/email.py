"""E-mail, through the mail server of the settings (`global` in alertmanager.yml); plain text, so nothing is markup."""

import smtplib
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from alerts.annotations import escape
from alerts.digests.text import Digest, headline, plain
from alerts.receivers.posting import TIMEOUT, NotDelivered, key_in
from alerts.receivers.texts import TEXT, TITLE
from models_registry.fleet import FleetReceiver

# There TLS begins with the connection; on any other port by STARTTLS, without which nothing is sent.
TLS_AT_ONCE = 465


def configuration(receiver: FleetReceiver) -> dict[str, Any]:
    return {
        "email_configs": [
            {
                "to": escape(receiver.address),
                "send_resolved": True,
                "headers": {"Subject": TITLE},
                "html": "",
                "text": TEXT,
            }
        ]
    }


def deliver(receiver: FleetReceiver, digest: Digest) -> None:
    """The digest as a message in plain text. Raises NotDelivered. A repeated one has the same Message-ID.

    A server may take it for some addresses and refuse it for others: then it is not delivered, the error names who was
    refused, and the next try goes to those alone. All of them stand in `To`.
    """
    sender, addresses = settings.SMTP_FROM, _addresses(receiver)
    message = EmailMessage(
        subject=f"[Plumbline] {headline(digest)}",
        body=f"{headline(digest)}\n\n{plain(digest)}\n",
        from_email=sender,
        to=addresses,
        headers={
            "Message-ID": f"<plumbline-digest.{digest.team}.{digest.began_at:%Y%m%dT%H%M}@{_domain(sender)}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    missing = [address for address in addresses if address not in digest.had_by]
    if not missing:
        return
    try:
        refused = _send(message, missing)
    except smtplib.SMTPRecipientsRefused as error:
        raise NotDelivered(_refusal(error.recipients)) from error
    except smtplib.SMTPResponseException as error:
        raise NotDelivered(f"The mail server answered {error.smtp_code}.") from error
    except smtplib.SMTPNotSupportedError as error:
        raise NotDelivered("The mail server offers no STARTTLS, or no way to sign in.") from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotDelivered(f"The mail server didn't take it: {type(error).__name__}.") from error
    if refused:
        raise NotDelivered(_refusal(refused), had_by=[address for address in missing if address not in refused])


def _addresses(receiver: FleetReceiver) -> list[str]:
    return [address.strip() for address in receiver.address.split(",") if address.strip()]


def _send(message: EmailMessage, addresses: list[str]) -> Mapping[str, tuple[int, bytes]]:
    """The addresses that the server refused, each with its answer: what Django's own sending leaves unsaid."""
    backend = _mail_server()
    backend.open()
    if backend.connection is None:
        raise NotDelivered("The mail server can't be reached.")
    try:
        text = message.message().as_bytes().replace(b"\n", b"\r\n")
        return backend.connection.sendmail(message.from_email, addresses, text)
    finally:
        backend.close()


def _refusal(refused: Mapping[str, tuple[int, bytes]]) -> str:
    named = ", ".join(f"{address} ({code})" for address, (code, _) in refused.items())
    return f"The mail server refused {named}."


def _mail_server() -> EmailBackend:
    """The server that Alertmanager uses, in the way that it does."""
    host, _, port = settings.SMTP_SMARTHOST.rpartition(":")
    if not (host and port.isdecimal()):
        raise NotDelivered("SMTP_SMARTHOST names no server: write host:port.")
    password = key_in(settings.SMTP_PASSWORD_FILE) if settings.SMTP_USERNAME and settings.SMTP_PASSWORD_FILE else ""
    at_once = int(port) == TLS_AT_ONCE
    return EmailBackend(
        host=host.strip("[]"),
        port=int(port),
        username=settings.SMTP_USERNAME,
        password=password,
        use_tls=not at_once,
        use_ssl=at_once,
        timeout=TIMEOUT,
    )


def _domain(sender: str) -> str:
    return sender.rpartition("@")[2].strip("> ") or "plumbline"
