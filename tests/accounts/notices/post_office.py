"""A mail server for tests: keeps what it takes, and refuses, answers late or is away as it is told."""

import socket
from collections import Counter
from email import message_from_bytes
from email.message import Message
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostOffice:
    """``refusals`` are what it answers to those addresses. Without ``has_utf8`` it knows only ASCII addresses."""

    def __init__(self, *, has_utf8: bool = True) -> None:
        self.mails: list[tuple[tuple[str, ...], Message]] = []
        self.refusals: dict[str, str] = {}
        self._controller: Controller | None = None
        self._port = 0
        self._has_utf8 = has_utf8

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    def open(self) -> "PostOffice":
        self._port = self._port or free_port()
        options: dict[str, Any] = {"enable_SMTPUTF8": self._has_utf8}
        self._controller = Controller(self, hostname="127.0.0.1", port=self._port, **options)
        self._controller.start()
        return self

    def close(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[Any]
    ) -> str:
        if refusal := self.refusals.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        self.mails.append((tuple(envelope.rcpt_tos), message_from_bytes(content)))
        return "250 OK"

    def copies(self) -> Counter[str]:
        """How many mails each address got."""
        return Counter(address for addresses, _ in self.mails for address in addresses)

    def ids(self) -> Counter[str]:
        """How often each mail was taken."""
        return Counter(str(mail["Message-ID"]) for _, mail in self.mails)
