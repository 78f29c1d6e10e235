"""``python -m tests.accounts.dying_mailman letters|inquiries STEP``: sends what waits, and is killed at that step.

A step is a call to the ledger or to the mail server; at an even number it dies before the call, at an odd one after.
"""

import sys
from datetime import timedelta
from typing import Any

from chassis.settings import read
from services.accounts.bootstrap import Context, bootstrap
from services.accounts.inquiries import actions as inquiries
from services.accounts.letters import actions as letters
from services.accounts.settings import Settings
from tests.accounts.mortal import Life, Mortal, MortalMailer

CLAIMED_FOR = timedelta(seconds=1)


def send(job: str, here: Context, life: Life) -> None:
    """All that waits, as its worker sends it."""
    mailer: Any = MortalMailer(here.mailer, life)
    if job == "letters":
        ledger: Any = Mortal(here.letters, life)
        letters.send(letters=ledger, operators=here.operators, mailer=mailer, claimed_for=CLAIMED_FOR)
    else:
        ledger = Mortal(here.inquiries, life)
        support = here.settings.support_address
        inquiries.send_mails(support=support, claimed_for=CLAIMED_FOR, inquiries=ledger, mailer=mailer)


if __name__ == "__main__":
    send(sys.argv[1], bootstrap(read(Settings)), Life(int(sys.argv[2])))
    print("done", flush=True)
