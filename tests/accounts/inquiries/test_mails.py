from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounts.inquiries.mails import CUT, LONGEST_HEADER, LONGEST_TEXT, composed, letter_in, mailbox
from services.accounts.inquiries.model import Outgoing


def a_mail(text: str = "Hello", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    fields = {"From": "Vera <vera@post.example>", "Subject": "A question", "Message-ID": "<1@post.example>"}
    for name, value in (fields | headers).items():
        mail[name] = value
    mail.set_content(text)
    return mail


def letter(mail: EmailMessage, mail_from: str = "vera@post.example"):
    return letter_in(mail.as_bytes(policy=mail.policy.clone(linesep="\r\n")), mail_from=mail_from)


def test_a_mail_of_a_person_is_read_as_it_was_written():
    read = letter(a_mail("Grüße\n\nVera", Subject="Größe?"))

    assert (read.sender, read.return_path) == ("vera@post.example", "vera@post.example")
    assert (read.subject, read.text) == ("Größe?", "Grüße\n\nVera")
    assert (read.message_id, read.key, read.is_automatic) == ("<1@post.example>", "mail:<1@post.example>", False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Auto-Submitted": "auto-generated; type=x"},
        {"Precedence": "bulk"},
        {"Precedence": "List"},
        {"List-Id": "<x.example>"},
        {"List-Unsubscribe": "<https://x.example>"},
        {"X-Auto-Response-Suppress": "OOF"},
        {"From": "MAILER-DAEMON@x.example"},
        {"From": "no-reply@x.example"},
        {"From": "list-bounces@x.example"},
        {"From": "owner-list@x.example"},
    ],
)
def test_a_machine_is_known_by_what_it_says(headers):
    assert letter(a_mail(**headers)).is_automatic


def test_who_has_no_return_path_is_a_machine_and_a_person_may_say_that_they_are_none():
    assert letter(a_mail(), mail_from="").is_automatic
    assert not letter(a_mail(**{"Auto-Submitted": "no"})).is_automatic


def test_plain_words_are_preferred_and_html_is_read_without_its_hidden_parts():
    both = a_mail("Plain")
    both.add_alternative("<p>Rich</p>", subtype="html")
    rich = a_mail()
    rich.set_content("<style>p{}</style><p>Dear&nbsp;you,<br>hello</p><script>x()</script>", subtype="html")

    assert letter(both).text == "Plain"
    assert letter(rich).text.replace("\xa0", " ") == "Dear you,\nhello"


def test_what_is_attached_or_too_long_is_not_kept_and_that_is_said():
    mail = a_mail("Look")
    mail.add_attachment(b"x" * 100, maintype="application", subtype="pdf", filename="passport.pdf")

    assert letter(mail).text == "Look\n\n[1 attached, not kept.]"
    assert letter(a_mail("long " * 10_000)).text == ("long " * 10_000)[:LONGEST_TEXT] + CUT


def test_without_a_message_id_a_mail_is_the_same_on_whatever_way_it_came():
    mail = a_mail()
    del mail["Message-ID"]
    raw = mail.as_bytes(policy=mail.policy.clone(linesep="\r\n"))
    once = letter_in(b"Received: from a by b;\r\n\tMonday\r\n" + raw, mail_from="vera@post.example")
    twice = letter_in(b"Received: from c by b;\r\n\tTuesday\r\n" + raw, mail_from="vera@post.example")

    assert once.key == twice.key
    assert once.key.startswith("raw:")
    assert letter_in(raw + b"More", mail_from="vera@post.example").key != once.key


@pytest.mark.parametrize(
    "charset", ["punycode", "idna", "unicode_escape", "raw_unicode_escape", "uu", "hex", "rot13", "no-such-thing", "\0"]
)
def test_what_no_person_writes_in_is_read_as_utf_8(charset):
    head = f"Subject: =?{charset}?q?b=C3=BCcher-kva?=\r\nContent-Type: text/plain; charset={charset}\r\n\r\n"
    read = letter_in(head.encode() + "bücher-kva \\u00e9".encode(), mail_from="")

    assert read.text == "bücher-kva \\u00e9"
    assert charset == "\0" or read.subject == "bücher-kva"


@pytest.mark.parametrize("charset", ["ISO-8859-1", "windows-1252", "latin1", "cp1252", "UTF-16LE"])
def test_what_people_write_in_is_read_as_they_wrote_it(charset):
    body = f"Content-Type: text/plain; charset={charset}\r\n\r\n".encode() + "Grüße".encode(charset)

    assert letter_in(body, mail_from="").text == "Grüße"


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("koi8-r", "Привет"),
        ("windows-1251", "Привет"),
        ("iso-2022-jp", "こんにちは"),
        ("Shift_JIS", "こんにちは"),
        ("gb2312", "你好"),
        ("GB18030", "你好"),
        ("big5", "你好"),
        ("ks_c_5601-1987", "안녕"),
        ("iso-8859-7", "Γειά"),
        ("windows-1255", "שלום"),
        ("tis-620", "สวัสดี"),
    ],
)
def test_what_people_elsewhere_write_in_is_read_too(charset, text):
    subject = Header(text, charset).encode()
    body = f"Subject: {subject}\r\nContent-Type: text/plain; charset={charset}\r\n\r\n".encode()
    read = letter_in(body + text.encode(charset), mail_from="")

    assert (read.subject, read.text) == (text, text)


def test_words_in_several_charsets_are_one_subject():
    raw = b"Subject: Hello =?iso-8859-1?q?Gr=FC=DFe?= and\r\n =?utf-8?b?w6k=?= =?utf-8?q?t=C3=A9?=\r\n\r\nx"

    assert letter_in(raw, mail_from="").subject == "Hello Grüße and été"


def test_a_header_is_read_as_far_as_anybody_writes_one():
    padding = "; a=b" * (LONGEST_HEADER // 5)
    body = f"Content-Type: text/plain{padding}; charset=latin-1\r\n\r\n".encode() + "Grüße".encode()

    assert letter_in(body, mail_from="").text == "Grüße"


@pytest.mark.parametrize(
    "raw",
    [
        b"From: " + b"(" * 5000 + b"\r\n\r\nHello",
        b"Content-Type: text/html\r\n\r\n<p>Hello</p><![<!",
        b"Content-Type: message/rfc822\r\n\r\nX-Hello: 1\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 2000,
        b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\nHello\r\n--%d\r\n" % (n, n) for n in range(2000)),
    ],
    ids=("comments", "html", "nested", "parts"),
)
def test_what_no_parser_can_read_is_taken_as_it_is(raw):
    read = letter_in(raw, mail_from="vera@post.example")

    assert "Hello" in read.text
    assert read.sender == "vera@post.example"


def test_what_cannot_be_read_is_not_answered_by_a_machine():
    raw = (
        b"Auto-Submitted: auto-replied\r\nContent-Type: message/rfc822\r\n\r\n"
        + b"Content-Type: message/rfc822\r\n\r\n" * 2000
    )

    assert letter_in(raw, mail_from="vera@post.example").is_automatic


@given(st.binary(max_size=2000), st.text(max_size=50))
def test_no_bytes_are_too_broken_to_be_a_letter(raw, mail_from):
    read = letter_in(raw, mail_from=mail_from)

    assert "\0" not in read.text + read.subject + read.sender
    assert "\n" not in read.subject
    (read.text + read.subject).encode()


@pytest.mark.parametrize(
    "text", ["", "vera", "a@b@c", "a b@c.example", "a@c.example\nBcc: x@y", "<a@b.example>", "a@b,c"]
)
def test_what_is_no_mailbox_is_none(text):
    assert mailbox(text) == ""


def test_an_acknowledgement_says_that_a_machine_wrote_it_and_an_answer_that_a_person_did():
    fields = {
        "mail_id": "m",
        "inquiry_id": "i",
        "to": "vera@post.example",
        "subject": "Re: x",
        "text": "Words",
        "message_id": "<2@velaro.example>",
        "in_reply_to": "<1@post.example>",
    }
    at = datetime(2026, 5, 1, tzinfo=UTC)
    sender = "Velaro <support@velaro.example>"
    first = composed(Outgoing(kind="acknowledgement", **fields), sender=sender, sent_at=at)
    second = composed(Outgoing(kind="answer", **fields), sender=sender, sent_at=at)

    assert (first["Auto-Submitted"], second["Auto-Submitted"]) == ("auto-replied", None)
    for mail in (first, second):
        assert (mail["From"], mail["In-Reply-To"], mail["Message-ID"]) == (
            sender,
            "<1@post.example>",
            "<2@velaro.example>",
        )
