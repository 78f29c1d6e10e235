"""Mail as it comes in and as it goes out: what of it is a question, who wrote it, and whether that was a machine."""

import codecs
import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import EmailMessage, Message
from email.policy import SMTP, Compat32
from email.utils import format_datetime, parseaddr
from html.parser import HTMLParser

from services.accounts.inquiries.model import Letter, Outgoing

LONGEST_TEXT = 20_000
LONGEST_SUBJECT = 200
LONGEST_HEADER = 8_000
LONGEST_HTML = 200_000
"""Whoever writes more means the parsers, some of which take the square of what they are given."""

CUT = "\n\n[The rest of this mail was not kept.]"

_POLICY = SMTP.clone(max_line_length=200)
"""So that a Message-ID stays on its line: not everybody who compares them unfolds them first."""

_message_id = re.compile(r"<[^<>\s]{3,250}>")
_mailbox = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,189}")
_answerable = re.compile(r"(?!.*=\?)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-][A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]*@[A-Za-z0-9.-]+")
_machines = re.compile(
    r"(mailer-daemon|postmaster|no-?reply|do-?not-?reply|bounces?|listserv|majordomo)([+-].*)?@|^owner-|-request@|-bounces?@",
    re.IGNORECASE,
)
_hidden = frozenset({"script", "style", "head", "title"})
_tag = re.compile(r"<[^<>]*>")

_CHARSETS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "koi8-r", "koi8-u", "tis-620"),
        *(f"iso-8859-{number}" for number in range(1, 17) if number != 12),
        *(f"cp{number}" for number in (437, 850, 852, 866, 874, 932, 936, 949, 950, *range(1250, 1259))),
        *("gb2312", "gbk", "gb18030", "hz", "big5", "big5-hkscs", "shift_jis", "euc-jp", "iso-2022-jp", "euc-kr"),
        *("iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-kr", "johab", "mac-roman", "mac-cyrillic"),
    )
)
"""What people write mail in. Python knows more codecs by such names: some unpack, some take the square of the time."""


class _Bounded(Compat32):
    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_HEADER]


def letter_in(raw: bytes, *, mail_from: str) -> Letter:
    """What a mail says. However broken it is, it is a letter: nobody who asks us something is to go unheard."""
    try:
        return _read(raw, mail_from)
    except Exception:  # noqa: BLE001 - the parsers of mail raise whatever comes to them, RecursionError among it
        return _as_it_is(raw, mail_from)


def _as_it_is(raw: bytes, mail_from: str) -> Letter:
    """A mail that no parser can read. Nobody knows that it is not a machine's, so none answers it."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return Letter(
        source="mail",
        key=_digest(raw),
        sender=mailbox(mail_from),
        return_path=mailbox(mail_from),
        subject="",
        text=_cut(_plain((body or head).decode("utf-8", "replace")).strip()),
        is_automatic=True,
    )


def _read(raw: bytes, mail_from: str) -> Letter:
    mail = message_from_bytes(raw, policy=_Bounded())
    sender = mailbox(parseaddr(_header(mail, "From"))[1]) or mailbox(mail_from)
    message_id = next(iter(_message_ids(mail, "Message-ID")), "")
    return Letter(
        source="mail",
        key=f"mail:{message_id}" if message_id else _digest(raw),
        sender=sender,
        return_path=mailbox(mail_from),
        subject=" ".join(_header(mail, "Subject").split())[:LONGEST_SUBJECT],
        text=_text(mail),
        message_id=message_id,
        references=tuple(dict.fromkeys([*_message_ids(mail, "In-Reply-To"), *_message_ids(mail, "References")])),
        is_automatic=_is_automatic(mail, sender, mail_from),
    )


def _digest(raw: bytes) -> str:
    return f"raw:{hashlib.sha256(_undelivered(raw)).hexdigest()}"


def mailbox(text: str) -> str:
    """The address, as it is compared; empty if it is none that mail could be sent to."""
    return text.strip().lower() if _mailbox.fullmatch(text.strip()) else ""


def is_answerable(address: str) -> bool:
    """Whether every mail server takes mail for it, and a header can hold it."""
    return _answerable.fullmatch(address) is not None


def _undelivered(raw: bytes) -> bytes:
    """The mail without what the servers on its way have written above it, which differs each time it is delivered."""
    head, separator, body = raw.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.startswith((b"Received:", b" ", b"\t"))]
    return b"\r\n".join(kept) + separator + body


def _is_automatic(mail: Message, sender: str, mail_from: str) -> bool:
    said = _header(mail, "Auto-Submitted").strip().lower()
    is_bulk = _header(mail, "Precedence").strip().lower() in {"bulk", "list", "junk", "auto_reply"}
    is_listed = any(mail[name] is not None for name in ("List-Id", "List-Unsubscribe", "X-Auto-Response-Suppress"))
    is_machine = any(_machines.search(address) for address in (sender, mail_from))
    # Reports of what could not be delivered come from nobody.
    return said not in {"", "no"} or is_bulk or is_listed or is_machine or not mailbox(mail_from)


def _message_ids(mail: Message, name: str) -> list[str]:
    return _message_id.findall(_header(mail, name))[:20]


def _header(mail: Message, name: str) -> str:
    raw = mail.get(name, "")
    try:
        # Unfolded first: the end of a line is a blank between words, and what decodes them forgets it.
        unfolded = raw.replace("\r", "").replace("\n", "") if isinstance(raw, str) else raw
        return _plain("".join(_word(content, charset) for content, charset in decode_header(unfolded)))
    except (HeaderParseError, LookupError, ValueError):
        return _plain(str(raw))


def _word(content: str | bytes, charset: str | None) -> str:
    # Bytes that no charset was named for come as halves of characters.
    raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    return _in_charset(raw, charset or "utf-8")


def _in_charset(raw: bytes, charset: str) -> str:
    """In one that people write in; anything else is read as UTF-8."""
    try:
        codec = codecs.lookup(charset).name
    except (LookupError, ValueError):
        codec = "utf-8"
    return raw.decode(codec if codec in _CHARSETS else "utf-8", "replace")


def _text(mail: Message) -> str:
    """The words of a mail, plain where it has them so; what was attached is not kept."""
    plain = [_decoded(part) for part in _parts(mail) if part.get_content_type() == "text/plain"]
    text = "\n\n".join(plain or [_words(_html(mail))]).strip()
    attached = sum(1 for part in mail.walk() if part.get_content_disposition() == "attachment")
    note = f"\n\n[{attached} attached, not kept.]" if attached else ""
    return _cut(text) + note


def _cut(text: str) -> str:
    return text[:LONGEST_TEXT] + CUT if len(text) > LONGEST_TEXT else text


def _html(mail: Message) -> str:
    found = (_decoded(part) for part in _parts(mail) if part.get_content_type() == "text/html")
    return "<p></p>".join(found)[:LONGEST_HTML]


def _parts(mail: Message) -> Iterator[Message]:
    for part in mail.walk():
        if not part.is_multipart() and part.get_content_disposition() != "attachment":
            yield part


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    return _plain(_in_charset(raw, part.get_content_charset() or "utf-8"))


def _plain(text: str) -> str:
    """Without NULs, and without halves of characters, which nothing could store."""
    return text.replace("\r\n", "\n").replace("\0", "").encode("utf-8", "replace").decode()


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._inside += tag in _hidden
        if tag in {"p", "br", "div", "tr", "li"}:
            self.words.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._inside = max(0, self._inside - (tag in _hidden))

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self.words.append(data)


def _words(html: str) -> str:
    parser = _Words()
    try:
        parser.feed(html)
    except AssertionError:
        return _tag.sub(" ", html)
    return "".join(parser.words)


def composed(outgoing: Outgoing, *, sender: str, sent_at: datetime) -> EmailMessage:
    """The mail as it goes out; the same one each time it has to be tried again."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = sender
    mail["To"] = outgoing.to
    mail["Subject"] = outgoing.subject
    mail["Date"] = format_datetime(sent_at)
    mail["Message-ID"] = outgoing.message_id
    if outgoing.in_reply_to:
        mail["In-Reply-To"] = outgoing.in_reply_to
        mail["References"] = outgoing.in_reply_to
    if outgoing.kind == "acknowledgement":
        mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(outgoing.text)
    return mail


ACKNOWLEDGEMENT = """\
Hello,

we have received your question. Its number is {number}. We answer it by
{due:%-d %B %Y} at the latest; mostly it is quicker.

To add something, answer this mail. What you wrote, and what we answer, we
keep for a year after the question is closed.
"""

CONFIRM = """\
Hello,

somebody, you we hope, asked us for {what}
of what the website "{site}" holds under your address. Nobody but you can see this link:

{url}

Open it and press the button there within a day. If it was not you, do
nothing: then nothing happens.

The number of this question is {number}.
"""

WHAT = {"copy": "a copy", "erasure": "the erasure"}
