"""A mail server that is real SMTP with STARTTLS (RFC 5321, 3207, 4954): takes nothing before it, keeps what it is sent.

Its certificate is made by openssl, for 127.0.0.1; `ca` names the file that a client must trust.
"""

import base64
import socketserver
import ssl
import subprocess
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Letter:
    """One message as it was handed over. `user` and `password` are those of the sign-in, if there was any."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    user: str
    password: str


@dataclass
class Session:
    user: str = ""
    password: str = ""
    sender: str = ""
    recipients: list[str] = field(default_factory=list)


class MailServer:
    """`refuses`: the command that is answered 451, or nothing. `starttls`: whether it is offered.

    `unknown`: the recipients that it knows nothing of.
    """

    def __init__(self, folder: Path) -> None:
        self.letters: list[Letter] = []
        self.refuses = ""
        self.unknown: frozenset[str] = frozenset()
        self.starttls = True
        self.ca = folder / "mail.crt"
        key = folder / "mail.key"
        made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail"
        named = ["-addext", f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(self.ca)]
        subprocess.run([*made.split(), *named], check=True, capture_output=True)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.ca, key)
        self._server = _Server((HOST, 0), _Handler)
        self._server.mail = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def smarthost(self) -> str:
        return f"{HOST}:{self._server.server_address[1]}"

    def clear(self) -> None:
        self.letters.clear()
        self.refuses, self.unknown, self.starttls = "", frozenset(), True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    mail: MailServer


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 10

    def handle(self) -> None:
        self.secure = False
        self.held = Session()
        self.say("220 mail.example.com ready")
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            command, _, rest = line.partition(" ")
            command = command.upper()
            if command == self.server.mail.refuses:
                self.say("451 Not now")
            elif command == "QUIT":
                self.say("221 Bye")
                return
            else:
                getattr(self, f"do_{command.lower()}", self.do_unknown)(rest)

    def say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def do_unknown(self, rest: str) -> None:
        self.say("502 Not known")

    def do_ehlo(self, rest: str) -> None:
        more = "AUTH PLAIN" if self.secure else "STARTTLS" if self.server.mail.starttls else "HELP"
        self.say("250-mail.example.com", f"250 {more}")

    def do_starttls(self, rest: str) -> None:
        self.say("220 Go ahead")
        secured: Any = self.server.mail.tls.wrap_socket(self.request, server_side=True)
        self.request = self.connection = secured
        self.rfile, self.wfile = secured.makefile("rb"), secured.makefile("wb", buffering=0)
        self.secure = True

    def do_auth(self, rest: str) -> None:
        _, self.held.user, self.held.password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
        self.say("235 Welcome")

    def do_mail(self, rest: str) -> None:
        if not self.secure:
            self.say("530 Must issue a STARTTLS command first")
            return
        self.held.sender = rest.partition("<")[2].partition(">")[0]
        self.say("250 OK")

    def do_rcpt(self, rest: str) -> None:
        recipient = rest.partition("<")[2].partition(">")[0]
        if recipient in self.server.mail.unknown:
            self.say("550 No such user")
            return
        self.held.recipients.append(recipient)
        self.say("250 OK")

    def do_rset(self, rest: str) -> None:
        self.say("250 OK")

    def do_data(self, rest: str) -> None:
        self.say("354 End with a line of one dot")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        message = message_from_bytes(b"".join(lines), policy=policy.default)
        held = self.held
        letter = Letter(held.sender, tuple(held.recipients), message, held.user, held.password)  # type: ignore[arg-type]
        self.server.mail.letters.append(letter)
        self.say("250 Taken")
