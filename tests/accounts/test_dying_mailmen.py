"""Letters and mails about inquiries: killed with SIGKILL at every step, the sending ends complete; and once, but where
that cannot be known."""

import dataclasses
import signal

import pytest

from chassis.clock import now
from chassis.mail import Mailer
from chassis.testing import eventually
from services.accounts.bootstrap import Context
from services.accounts.inquiries import actions as inquiries
from services.accounts.inquiries.model import Letter as Question
from services.accounts.letters.model import Letter
from tests.accounts.dying_mailman import send
from tests.accounts.mortal import Life
from tests.accounts.notices.conftest import SENDER
from tests.accounts.notices.post_office import PostOffice
from tests.dying import exit_code_of
from tests.settings import environment_of

ADDRESSES = {"vera@post.example", "viktor@post.example"}
CALLS = (*("claim", "send", "set_sent") * len(ADDRESSES), "claim")
"""What a run over two mails asks of the ledger and of the mail server, each a step before and a step after."""

BETWEEN_ANSWER_AND_MARK = {
    step
    for place, call in enumerate(CALLS)
    for step in {"send": (2 * place + 1,), "set_sent": (2 * place,)}.get(call, ())
}
JOBS = ("letters", "inquiries")


@pytest.fixture
def office():
    opened = PostOffice().open()
    yield opened
    opened.close()


@pytest.fixture
def here(context: Context, office: PostOffice) -> Context:
    return dataclasses.replace(context, mailer=Mailer(office.url, sender=SENDER, timeout=5))


def write(job: str, here: Context) -> None:
    for address in sorted(ADDRESSES):
        if job == "letters":
            letter = Letter(
                letter_id=f"{address}.c1", customer_id="c1", subject="Hello", text="Hello,\n", to=(address,)
            )
            here.letters.put_once("c1", letter)
        else:
            ask(address, here)


def ask(address: str, here: Context) -> None:
    message_id = f"<{address}>"
    question = Question(
        source="mail",
        key=f"mail:{message_id}",
        sender=address,
        return_path=address,
        subject="What do you keep?",
        text="Of me",
        message_id=message_id,
    )
    settings = here.settings
    inquiries.take(
        question,
        support=settings.support_address,
        public_url=settings.public_url,
        inquiries=here.inquiries,
        now=now(),
    )


def run_until(job: str, step: int, here: Context, office: PostOffice) -> int:
    environment = environment_of(here.settings, smtp_url=office.url, mail_sender=SENDER)
    return exit_code_of("tests.accounts.dying_mailman", job, step, environment=environment)


@pytest.mark.parametrize("step", range(2 * len(CALLS)))
@pytest.mark.parametrize("job", JOBS)
def test_killed_at_any_step_it_ends_complete_and_once(here, office, job, step):
    write(job, here)
    assert run_until(job, step, here, office) == -signal.SIGKILL

    def is_over() -> bool:
        send(job, here, Life(-1))
        return {*office.copies()} == ADDRESSES and not waiting(job, here)

    eventually(is_over, timeout=20, every=0.2)
    if step in BETWEEN_ANSWER_AND_MARK:
        # The server said yes and nobody lived to write it down: once more, known by its id.
        assert sorted(office.copies().values()) == [1, 2]
        assert sorted(office.ids().values()) == [1, 2]
    else:
        assert set(office.copies().values()) == {1}


def waiting(job: str, here: Context) -> int:
    collection = {"letters": "letters", "inquiries": "inquiry_mails"}[job]
    return here.database[collection].count_documents({"state": "waiting"})


@pytest.mark.parametrize("job", JOBS)
def test_the_steps_are_all_there_are(here, office, job):
    """So that a call that is added is a step to be killed at as well."""
    write(job, here)
    assert run_until(job, 2 * len(CALLS), here, office) == 0
    assert not waiting(job, here)
