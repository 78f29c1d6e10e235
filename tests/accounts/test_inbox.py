"""What the inbox says to whoever brings mail, also when something goes wrong with it."""

import dataclasses
import smtplib
from contextlib import contextmanager

import pytest

from services.accounts.inbox import MAILS_AN_HOUR, Senders, controller_of
from tests.accounts.notices.post_office import free_port

SENDER = "vera@post.example"
A_MAIL = b"From: vera@post.example\r\nSubject: A question\r\n\r\nHow long do you keep it?\r\n"


@contextmanager
def running(context):
    """A connection to the inbox of this context."""
    settings = context.settings.model_copy(update={"inbox_bind": f"127.0.0.1:{free_port()}"})
    controller = controller_of(dataclasses.replace(context, settings=settings))
    controller.start()
    try:
        with smtplib.SMTP("127.0.0.1", controller.port, timeout=10) as line:
            yield line
    finally:
        controller.stop()


@pytest.fixture
def inbox(context):
    with running(context) as line:
        yield line


def bring(inbox, content=A_MAIL, sender=SENDER):
    return inbox.sendmail(sender, ["support@velaro.example"], content)


def test_a_mail_is_taken_when_it_is_stored(context, inbox):
    bring(inbox)

    [inquiry] = context.inquiries.all(None, after=None, limit=9)
    assert inquiry.sender == SENDER


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: text/html\r\n\r\nHello <![<!",
        b"Content-Type: text/plain; charset=idna\r\n\r\nHello xn--\xff.",
        b"From: " + (b"(" * 900 + b"\r\n ") * 5 + b"\r\n\r\nHello",
        b"Content-Type: message/rfc822\r\n\r\nX-Hello: 1\r\n" + b"Content-Type: message/rfc822\r\n\r\n" * 2000,
    ],
    ids=("html", "charset", "comments", "nested"),
)
def test_however_odd_a_mail_is_it_is_taken(context, inbox, content):
    bring(inbox, content)

    [inquiry] = context.inquiries.all(None, after=None, limit=9)
    assert "Hello" in context.inquiries.get(inquiry.inquiry_id).entries[0].text


def test_who_writes_very_much_is_asked_to_come_back_and_others_are_taken(context, inbox):
    for number in range(MAILS_AN_HOUR):
        bring(inbox, b"Message-ID: <%d@post.example>\r\n" % number + A_MAIL)
    with pytest.raises(smtplib.SMTPSenderRefused) as refusal:
        bring(inbox, sender="VERA@post.example")
    bring(inbox, sender="viktor@post.example")

    assert refusal.value.smtp_code == 450
    assert len(context.inquiries.all(None, after=None, limit=200)) == MAILS_AN_HOUR + 1


class TestSenders:
    @pytest.fixture
    def senders(self):
        self.now = 0.0
        return Senders(most=2, lasts=60, remembered=3, clock=lambda: self.now)

    def test_each_may_send_so_many_mails_in_the_time(self, senders):
        assert [senders.may_send("vera") for _ in range(3)] == [True, True, False]
        assert senders.may_send("viktor")

        self.now = 60.0
        assert [senders.may_send("vera") for _ in range(3)] == [True, True, False]

    def test_who_is_refused_does_not_wait_longer_for_trying(self, senders):
        for moment in (0.0, 1.0, 2.0, 59.0):
            self.now = moment
            senders.may_send("vera")

        self.now = 60.0
        assert senders.may_send("vera")

    def test_only_so_many_are_remembered_the_latest(self, senders):
        for number in range(9):
            senders.may_send(str(number))

        assert len(senders) == 3
        assert [senders.may_send("8") for _ in range(2)] == [True, False]


def test_what_goes_wrong_is_no_reason_to_give_the_mail_up_and_nothing_of_it_is_said(context, caplog):
    class Broken:
        def take(self, letter, *_, **__):
            raise RuntimeError(letter.text)

    with running(dataclasses.replace(context, inquiries=Broken())) as line:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            bring(line)
        assert line.noop()[0] == 250

    assert refusal.value.smtp_code == 451
    assert b"How long" not in refusal.value.smtp_error
    assert "RuntimeError" in caplog.text
    assert "How long" not in caplog.text
