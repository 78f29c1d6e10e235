"""Takes mail for our support address: an SMTP server of its own, behind whatever receives mail for the domain.

Each mail is answered with *taken* only when it is stored, so that a server in front keeps it until then; it may come
twice, and is one inquiry.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from chassis import operations
from chassis.clock import now
from chassis.commands import stop_when_told
from chassis.problems import Unavailable
from services.accounts.bootstrap import SERVICE, Context, bootstrap
from services.accounts.inquiries import actions
from services.accounts.inquiries.mails import letter_in, mailbox

log = structlog.get_logger(__name__)

MOST_BYTES = 1 << 20
MOST_RECIPIENTS = 5
IDLE_SECONDS = 60
MAILS_AN_HOUR = 30
SENDERS_REMEMBERED = 10_000
TRY_AGAIN = "451 4.3.0 Try again in a moment"


class Senders:
    """How much each sender has sent lately, as far as this process remembers; the oldest are forgotten first.

    Not by the peer: that is the server in front, for everybody. What comes from where is for it to limit.
    """

    def __init__(
        self, *, most: int, lasts: float, remembered: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._lasts = lasts
        self._remembered = remembered
        self._clock = clock
        self._counts: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def may_send(self, sender: str) -> bool:
        """Whether this mail is not too many; it is counted if so."""
        began, count = self._counts.get(sender, (self._clock(), 0))
        if self._clock() - began >= self._lasts:
            del self._counts[sender]
            began, count = self._clock(), 0
        if count >= self._most:
            return False
        self._counts[sender] = began, count + 1
        if len(self._counts) > self._remembered:
            self._counts.popitem(last=False)
        return True


class Inbox:
    """What is said on a connection, in the words of aiosmtpd: a handler a command."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._address = mailbox(context.settings.support_mailbox)
        self._senders = Senders(most=MAILS_AN_HOUR, lasts=3600.0, remembered=SENDERS_REMEMBERED)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str | None, mail_options: list[str]
    ) -> str:
        if not self._senders.may_send((address or "").lower()):
            return "450 4.7.1 Too many mails from this sender, try again in an hour"
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if mailbox(address) != self._address:
            return "550 5.1.1 No such mailbox here"
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        raw = envelope.original_content or b""
        take = partial(self._take, raw, envelope.mail_from or "")
        try:
            # The database is waited for in another thread: other connections go on meanwhile.
            number = await asyncio.get_running_loop().run_in_executor(None, take)
        except Unavailable:
            return TRY_AGAIN
        return f"250 2.0.0 Taken as question {number}" if number else "550 5.6.0 From nobody, and about nothing"

    async def handle_exception(self, error: Exception) -> str:
        """In place of aiosmtpd's, which refuses the mail for good, and tells sender and log what the error says."""
        log.error("mail not taken", cause=type(error).__name__)
        return TRY_AGAIN

    def _take(self, raw: bytes, mail_from: str) -> int | None:
        letter = letter_in(raw, mail_from=mail_from)
        if not letter.sender and not letter.text:
            return None
        settings = self._context.settings
        inquiry = actions.take(
            letter,
            support=settings.support_address,
            public_url=settings.public_url,
            inquiries=self._context.inquiries,
            now=now(),
        )
        return inquiry.number


class _Door:
    """The server as a part of its process."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    @property
    def is_up(self) -> bool:
        server = self._controller.server
        return server is not None and bool(getattr(server, "sockets", ()))


def controller_of(context: Context) -> Controller:
    """The server, not started yet."""
    host, _, port = context.settings.inbox_bind.rpartition(":")
    options: dict[str, Any] = {
        "data_size_limit": MOST_BYTES,
        "enable_SMTPUTF8": True,
        "ident": "Velaro",
        "timeout": IDLE_SECONDS,
    }
    return Controller(Inbox(context), hostname=host, port=int(port), **options)


def main() -> None:
    """Take mail until told to stop."""
    stop = stop_when_told()
    context = bootstrap()
    controller = controller_of(context)
    controller.start()
    bind = context.settings.operations_bind
    operations.serve(SERVICE, bind, parts={"inbox": _Door(controller)}, database=context.database)
    log.info("inbox open")
    stop.wait()
    controller.stop()
    log.info("inbox closed")
