"""A mail is known to be taken, known to be refused, or neither; and that is told apart."""

import smtplib
from email.message import EmailMessage

import pytest
from pydantic import ValidationError

from chassis.mail import Mailer, MailRefused, MailServerAway, MailSettings, composing
from tests.accounts.notices.post_office import PostOffice

ONE, TWO = "one@shop.example", "two@shop.example"
FOREIGN = "wł@shop.example"


@pytest.fixture
def office():
    opened = PostOffice().open()
    yield opened
    opened.close()


@pytest.fixture
def mailer(office):
    return Mailer(office.url, sender="Shop <shop@shop.example>", timeout=5)


def a_mail():
    message = EmailMessage()
    message["From"] = "Shop <shop@shop.example>"
    message["Subject"] = "News \N{SNOWMAN}"
    message.set_content("Hello.")
    return message


def test_one_connection_carries_several_mails(office, mailer):
    with mailer.connected() as line:
        assert line.send(a_mail(), to=(ONE,)) == {}
        assert line.send(a_mail(), to=(ONE, TWO)) == {}

    assert [addresses for addresses, _ in office.mails] == [(ONE,), (ONE, TWO)]


def test_who_is_refused_is_told_with_the_reason_and_the_others_get_it(office, mailer):
    office.refusals[ONE] = "550 no such mailbox"
    with mailer.connected() as line:
        refused = line.send(a_mail(), to=(ONE, TWO))

    assert refused == {ONE: "550 no such mailbox"}
    assert [addresses for addresses, _ in office.mails] == [(TWO,)]


def test_a_mail_that_is_refused_for_everybody_does_not_end_the_connection(office, mailer):
    office.refusals[ONE] = "450 later"
    with mailer.connected() as line:
        with pytest.raises(MailRefused) as refusal:
            line.send(a_mail(), to=(ONE,))
        line.send(a_mail(), to=(TWO,))

    assert refusal.value.refused == {ONE: "450 later"}
    assert office.copies() == {TWO: 1}


class TestAddressesThatCannotBeWrittenTo:
    """One such address must not keep everybody else's mail."""

    @pytest.fixture
    def office(self):
        opened = PostOffice(has_utf8=False).open()
        yield opened
        opened.close()

    def test_one_that_the_server_has_no_letters_for_is_refused_and_the_others_get_it(self, office, mailer):
        with mailer.connected() as line:
            refused = line.send(a_mail(), to=(ONE, FOREIGN))

        assert refused.keys() == {FOREIGN}
        assert office.copies() == {ONE: 1}

    def test_alone_it_is_refused_and_the_connection_goes_on(self, office, mailer):
        with mailer.connected() as line:
            with pytest.raises(MailRefused) as refusal:
                line.send(a_mail(), to=(FOREIGN,))
            line.send(a_mail(), to=(ONE,))

        assert refusal.value.refused.keys() == {FOREIGN}
        assert office.copies() == {ONE: 1}

    def test_when_the_server_refuses_the_others_everybody_is_refused(self, office, mailer):
        office.refusals[ONE] = "550 no such mailbox"
        with mailer.connected() as line, pytest.raises(MailRefused) as refusal:
            line.send(a_mail(), to=(ONE, FOREIGN))

        assert refusal.value.refused.keys() == {ONE, FOREIGN}

    @pytest.mark.parametrize("address", ["=?idna?b?\x7f?=@1", "..@1", ":@x.example", "a\x85@x.example"])
    def test_one_that_no_header_can_hold_is_refused_while_the_mail_is_composed(self, address):
        message = EmailMessage()
        with pytest.raises(MailRefused) as refusal, composing((address,)):
            message["To"] = f"{ONE}, {address}"

        assert refusal.value.refused.keys() == {address}


def test_a_server_that_says_goodbye_is_away_and_took_nothing(office, mailer):
    office.refusals[ONE] = "421 closing"
    with mailer.connected() as line, pytest.raises(MailServerAway) as away:
        line.send(a_mail(), to=(ONE,))

    assert away.value.is_certain


def test_a_server_that_is_not_there_is_away(office, mailer):
    office.close()

    with pytest.raises(MailServerAway) as away, mailer.connected():
        pytest.fail("connected")
    assert away.value.is_certain


def test_when_the_connection_breaks_in_the_middle_nobody_knows(mailer, monkeypatch):
    def broken(*_, **__):
        raise smtplib.SMTPServerDisconnected("gone")

    with mailer.connected() as line:
        monkeypatch.setattr(line._server, "send_message", broken)
        with pytest.raises(MailServerAway) as away:
            line.send(a_mail(), to=(ONE,))

    assert not away.value.is_certain


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example", "smtp+starttls://"])
def test_an_address_that_is_none_of_a_mail_server_is_refused_and_not_shown(url):
    with pytest.raises(ValidationError) as error:
        MailSettings(smtp_url=url, mail_sender="a@b.example")
    assert "smtp_url" in str(error.value)


@pytest.mark.parametrize("sender", ["nobody", "a@b@c", "a@b.example\nBcc: x@y.example"])
def test_a_sender_that_is_no_mailbox_is_refused(sender):
    with pytest.raises(ValidationError):
        MailSettings(smtp_url="smtp://mail.example", mail_sender=sender)
