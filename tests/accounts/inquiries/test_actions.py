from contextlib import contextmanager
from datetime import timedelta

import pytest

from chassis.mail import MailRefused, MailServerAway
from services.accounts.inquiries import actions
from services.accounts.inquiries.model import (
    DUE_AFTER,
    KEPT_AFTER_CLOSING,
    RETRY_AFTER,
    ConfirmationNotValid,
    InquiryClosed,
    InquiryNotFound,
    Letter,
)
from tests.accounts.builders import NOW, UNWRITABLE, a_site

SUPPORT = "Velaro <support@velaro.example>"
URL = "https://chat.velaro.example"


def a_letter(**changed) -> Letter:
    fields = {
        "source": "mail",
        "key": "mail:<1@post.example>",
        "sender": "vera@post.example",
        "return_path": "vera@post.example",
        "subject": "What do you keep?",
        "text": "Of me",
        "message_id": "<1@post.example>",
    }
    return Letter(**fields | changed)


class Server:
    """A mail server that takes what it is not told to refuse."""

    def __init__(self) -> None:
        self.taken: list = []
        self.trouble: list[Exception] = []
        self.sender = SUPPORT

    @contextmanager
    def connected(self):
        yield self

    def send(self, message, *, to):
        if self.trouble:
            raise self.trouble.pop(0)
        self.taken.append((message, to))
        return {}


@pytest.fixture
def take(context):
    def take(letter, **more):
        return actions.take(letter, support=SUPPORT, public_url=URL, inquiries=context.inquiries, now=NOW, **more)

    return take


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def send(context, server):
    def send(now=NOW):
        return actions.send_mails(
            support=SUPPORT,
            claimed_for=timedelta(minutes=10),
            inquiries=context.inquiries,
            mailer=server,
            clock=lambda: now,
        )

    return send


def test_a_letter_that_comes_twice_is_one_inquiry_and_acknowledged_once(take, send, server):
    first, again = take(a_letter()), take(a_letter())

    assert first == again
    assert first.due_at == NOW + DUE_AFTER
    assert (send(), send()) == (1, 0)
    [(mail, to)] = server.taken
    assert to == ("vera@post.example",)
    assert str(first.number) in mail["Subject"]


def test_every_inquiry_has_a_number_of_its_own(take):
    numbers = [take(a_letter(key=f"mail:{n}", message_id=f"<{n}@x>")).number for n in range(5)]

    assert numbers == sorted(set(numbers))


def test_a_machine_gets_no_answer(take, send):
    inquiry = take(a_letter(is_automatic=True))

    assert inquiry.is_automatic
    assert send() == 0


def test_a_sender_who_dies_leaves_a_mail_that_another_sends_later_under_the_same_id(context, take, send, server):
    take(a_letter())
    claimed = context.inquiries.claim(now=NOW, lasts=timedelta(minutes=10))

    assert send(NOW + timedelta(minutes=9)) == 0
    assert send(NOW + timedelta(minutes=11)) == 1
    assert server.taken[0][0]["Message-ID"] == claimed.message_id


def test_while_the_server_is_away_nothing_counts_as_refused(context, take, send, server):
    inquiry = take(a_letter())
    server.trouble = [MailServerAway("gone")]

    assert send() == 0
    assert context.inquiries.delivery(inquiry.inquiry_id).waiting == 1
    assert send(NOW + timedelta(seconds=16)) == 1


def test_a_refused_mail_is_tried_again_and_in_the_end_shown_as_not_delivered(context, take, send, server):
    inquiry = take(a_letter())
    moment = NOW
    for pause in (*RETRY_AFTER, timedelta(0)):
        server.trouble = [MailRefused({"vera@post.example": "550 no"})]
        assert send(moment) == 0
        moment += pause

    assert context.inquiries.delivery(inquiry.inquiry_id).failed == 1
    assert send(moment + timedelta(days=1)) == 0


def test_a_mail_that_cannot_be_written_is_refused_and_the_others_go_out(context, take, send, server):
    unwritable = take(a_letter(return_path=UNWRITABLE))
    take(a_letter(key="mail:2", message_id="<2@post.example>"))

    assert send() == 1
    assert [to for _, to in server.taken] == [("vera@post.example",)]
    assert context.inquiries.delivery(unwritable.inquiry_id).waiting == 1


def test_what_answers_a_mail_of_ours_is_part_of_the_inquiry_and_opens_it_again(context, take, send, server):
    inquiry = take(a_letter())
    send()
    ours = server.taken[0][0]["Message-ID"]
    context.inquiries.close(inquiry.inquiry_id, now=NOW)

    again = take(a_letter(key="mail:2", message_id="<2@post.example>", references=(ours,), text="And this?"))

    assert (again.number, again.state, [each.text for each in again.entries]) == (
        inquiry.number,
        "open",
        ["Of me", "And this?"],
    )
    assert "forget_at" not in context.database["inquiries"].find_one({"_id": inquiry.inquiry_id})


def test_a_stranger_who_knows_a_message_id_begins_an_inquiry_of_their_own(take):
    inquiry = take(a_letter())

    forged = take(a_letter(key="mail:2", message_id="<2@x>", sender="eve@x.example", references=("<1@post.example>",)))

    assert forged.number != inquiry.number


def test_an_answer_is_given_once_and_a_closed_inquiry_takes_none(context, take):
    inquiry = take(a_letter())
    how = {"by": "Sue", "support": SUPPORT, "inquiries": context.inquiries, "now": NOW}
    for _ in range(2):
        answered = actions.answer(inquiry.inquiry_id, "Words", client_id="one", **how)

    assert [each.kind for each in answered.entries] == ["question", "answer"]
    assert context.inquiries.delivery(inquiry.inquiry_id).waiting == 2
    context.inquiries.close(inquiry.inquiry_id, now=NOW)
    with pytest.raises(InquiryClosed):
        actions.answer(inquiry.inquiry_id, "More", client_id="two", **how)
    assert context.inquiries.delivery(inquiry.inquiry_id).waiting == 2
    with pytest.raises(InquiryNotFound):
        actions.answer("nothing", "More", client_id="three", **how)


def test_a_closed_inquiry_is_forgotten_in_its_time(context, take):
    inquiry = take(a_letter())
    context.inquiries.close(inquiry.inquiry_id, now=NOW)
    context.inquiries.close(inquiry.inquiry_id, now=NOW + timedelta(days=9))

    kept = context.database["inquiries"].find_one({"_id": inquiry.inquiry_id})
    assert kept["forget_at"] == NOW + KEPT_AFTER_CLOSING


def test_a_link_is_kept_as_a_hash_and_its_mail_loses_it_once_it_is_sent(context, take, send, server):
    letter = a_letter(source="form", key="form:1", wish="erasure")
    take(letter, site=a_site())
    send()
    url = next(line for line in server.taken[0][0].get_content().splitlines() if "/privacy/confirm/" in line)
    token = url.rpartition("/")[2]

    found = context.inquiries.confirmation(actions.hash_of(token), now=NOW)
    assert (found.email, found.wish, found.customer_id) == ("vera@post.example", "erasure", "c1")
    everything = [
        str(document) for name in context.database.list_collection_names() for document in context.database[name].find()
    ]
    assert not any(token in document for document in everything)


def test_a_link_counts_for_a_day_and_what_came_of_it_is_shown_for_longer(context, take, send, server):
    take(a_letter(source="form", key="form:1", wish="erasure"), site=a_site())
    send()
    url = next(line for line in server.taken[0][0].get_content().splitlines() if "/privacy/confirm/" in line)
    token_hash = actions.hash_of(url.rpartition("/")[2])
    later = NOW + timedelta(days=2)

    with pytest.raises(ConfirmationNotValid):
        context.inquiries.confirmation(token_hash, now=later)
    context.inquiries.set_done(token_hash, erasures=("e-1",), now=NOW)
    context.inquiries.set_done(token_hash, erasures=("e-2",), now=later)
    assert context.inquiries.confirmation(token_hash, now=later).erasures == ("e-1",)


def test_what_a_broken_connection_leaves_open_is_sent_again(context, take, send, server):
    take(a_letter())
    server.trouble = [MailServerAway("cut", is_certain=False)]
    send()

    assert send(NOW + timedelta(minutes=1)) == 1
