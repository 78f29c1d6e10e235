"""How letters are sent: each is claimed, handed over and marked, as notices are.

So two that work at once send different ones, and who is killed loses none. One whose sender died between the mail
server's answer and the mark is sent again under the same Message-ID: SMTP cannot rule that out.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from chassis.clock import now
from chassis.mail import Line, Mailer, MailRefused, MailServerAway, composing
from services.accounts.letters import model
from services.accounts.letters.model import Letter
from services.accounts.letters.store import LetterStore
from services.accounts.operators.store import OperatorStore

log = structlog.get_logger(__name__)

JOB_LASTS = timedelta(seconds=20)
NOBODY = "the account has no active owner"


def send(
    *,
    letters: LetterStore,
    operators: OperatorStore,
    mailer: Mailer,
    claimed_for: timedelta,
    lasts: timedelta = JOB_LASTS,
    clock: Callable[[], datetime] = now,
) -> None:
    """Send what is due, for so long; what is left is the next job's. Our clock only dates the mails."""
    until = time.monotonic() + lasts.total_seconds()
    letter = letters.claim(lasts=claimed_for)
    if letter is None:
        return
    try:
        with mailer.connected() as line:
            while letter is not None:
                _send(letter, line, letters=letters, operators=operators, mailer=mailer, sent_at=clock())
                letter = letters.claim(lasts=claimed_for) if time.monotonic() < until else None
    except MailServerAway as error:
        if letter is not None:
            letters.give_back(letter, again_in=model.AWAY_FOR)
        log.warning("mail server away", reason=str(error))


def _send(
    letter: Letter, line: Line, *, letters: LetterStore, operators: OperatorStore, mailer: Mailer, sent_at: datetime
) -> None:
    to = letter.owed or letter.to or operators.owners(letter.customer_id)
    if not to:
        _refused(letter, (), NOBODY, letters=letters)
        return
    try:
        with composing(to):
            mail = model.mail(letter, to=to, sender=mailer.sender, sent_at=sent_at)
        refused = line.send(mail, to=to)
    except MailRefused as error:
        refused = error.refused
    if refused:
        _refused(letter, tuple(refused), "; ".join(sorted(set(refused.values()))), letters=letters)
    else:
        letters.set_sent(letter)


def _refused(letter: Letter, owed: tuple[str, ...], reason: str, *, letters: LetterStore) -> None:
    again_in = model.pause_after(letter.refusals + 1)
    letters.set_refused(letter, owed=owed, reason=reason, again_in=again_in)
    log.warning("letter refused", letter_id=letter.letter_id, is_final=again_in is None)
