"""Mail as a service sends it: one connection to one SMTP server, and for each mail whom it reached.

    with mailer.connected() as line:
        refused = line.send(message, to=("owner@shop.example",))

SMTP says *taken* only after the last byte, and a connection may break between the two. So a mail is known to be
sent, known not to be sent, or, with ``MailServerAway.is_certain`` false, neither: whoever cannot bear to lose it
sends it again, under the same ``Message-ID``.

    Exception
    ├── MailServerAway   (Unavailable) the server is not there, or went away
    └── MailRefused      it is there, and took the mail for nobody; or no mail could be made for them
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.errors import MessageError
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from chassis.problems import Unavailable
from chassis.settings import ServiceSettings, address

SCHEMES = ("smtp", "smtp+starttls", "smtps")
"""In clear, for a server on the same machine or network; with STARTTLS, required; with TLS from the first byte."""

_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}
_BYE = 421

_UNWRITABLE = (ValueError, LookupError, AttributeError, TypeError, RecursionError, MessageError)
"""What the standard library's email package raises for what it cannot put into a header; it documents none of it."""


class MailServerAway(Unavailable):
    """The mail server is not there. Unless ``is_certain``, it may have taken the mail before it went."""

    def __init__(self, reason: str, *, is_certain: bool = True) -> None:
        super().__init__(reason)
        self.is_certain = is_certain


class MailRefused(Exception):
    """The mail was taken for nobody; the reasons are the server's own, by address."""

    def __init__(self, refused: dict[str, str]) -> None:
        super().__init__("; ".join(sorted(set(refused.values()))))
        self.refused = refused


@contextmanager
def composing(to: tuple[str, ...]) -> Iterator[None]:
    """Around the making of one mail: what cannot be written is refused as by a server, so others do not wait for it."""
    try:
        yield
    except _UNWRITABLE as error:
        raise MailRefused(dict.fromkeys(to, f"cannot be written: {type(error).__name__}")) from error


class MailSettings(BaseSettings):
    """What a service that sends mail reads from its environment."""

    model_config = ServiceSettings.model_config

    smtp_url: SecretStr
    mail_sender: str
    mail_timeout: float = Field(default=15.0, gt=0)

    @field_validator("smtp_url")
    @classmethod
    def _names_a_mail_server(cls, value: SecretStr) -> SecretStr:
        return address(value, *SCHEMES)

    @field_validator("mail_sender")
    @classmethod
    def _is_a_mailbox(cls, value: str) -> str:
        if value.count("@") != 1 or not value.isprintable():
            raise ValueError("must be a mailbox such as Velaro <no-reply@example.com>")
        return value


class Mailer:
    """Knows the server; connects when asked to. ``timeout`` bounds each word that is exchanged with it."""

    def __init__(self, url: str, *, sender: str, timeout: float = 15.0) -> None:
        self.sender = sender
        self._url = urlsplit(url)
        self._timeout = timeout

    @contextmanager
    def connected(self) -> "Iterator[Line]":
        """A connection for any number of mails. Raises ``MailServerAway``."""
        try:
            server = self._opened()
        except (OSError, smtplib.SMTPException) as error:
            raise MailServerAway(_reason(error)) from error
        try:
            yield Line(server)
        finally:
            _hang_up(server)

    def _opened(self) -> smtplib.SMTP:
        host, port = self._url.hostname or "", self._url.port or _PORTS[self._url.scheme]
        server: smtplib.SMTP
        if self._url.scheme == "smtps":
            server = smtplib.SMTP_SSL(host, port, timeout=self._timeout, context=ssl.create_default_context())
        else:
            server = smtplib.SMTP(host, port, timeout=self._timeout)
        try:
            if self._url.scheme == "smtp+starttls":
                server.starttls(context=ssl.create_default_context())
            if self._url.username:
                server.login(unquote(self._url.username), unquote(self._url.password or ""))
        except BaseException:
            server.close()
            raise
        return server


class Line:
    """An open connection."""

    def __init__(self, server: smtplib.SMTP) -> None:
        self._server = server

    def send(self, message: EmailMessage, *, to: tuple[str, ...]) -> dict[str, str]:
        """Hand over the mail for these addresses; those that were refused, and why.

        Raises ``MailRefused`` when that is all of them, ``MailServerAway`` when there is no answer.
        """
        try:
            with composing(to):
                return self._handed_over(message, to)
        except smtplib.SMTPNotSupportedError as error:
            foreign = {address: _reason(error) for address in to if not address.isascii()}
            others = tuple(address for address in to if address.isascii())
            if not foreign or not others:
                raise MailRefused(dict.fromkeys(to, _reason(error))) from error
        try:
            return foreign | self.send(message, to=others)
        except MailRefused as error:
            raise MailRefused(foreign | error.refused) from error

    def _handed_over(self, message: EmailMessage, to: tuple[str, ...]) -> dict[str, str]:
        try:
            refused = self._server.send_message(message, to_addrs=list(to))
        except smtplib.SMTPRecipientsRefused as error:
            if any(code == _BYE for code, _ in error.recipients.values()):
                raise MailServerAway("the mail server closes") from error
            raise MailRefused(_reasons(error.recipients)) from error
        except smtplib.SMTPResponseException as error:
            if error.smtp_code == _BYE:
                raise MailServerAway("the mail server closes") from error
            raise MailRefused(dict.fromkeys(to, _reason(error))) from error
        except smtplib.SMTPNotSupportedError:
            raise
        except (OSError, smtplib.SMTPException) as error:
            raise MailServerAway(_reason(error), is_certain=False) from error
        return _reasons(refused)


def _hang_up(server: smtplib.SMTP) -> None:
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def _reasons(refused: "dict[str, tuple[int, bytes]]") -> dict[str, str]:
    return {address: f"{code} {text.decode('utf-8', 'replace')}"[:200] for address, (code, text) in refused.items()}


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"[:200]
    return f"{type(error).__name__}: {error}"[:200]
