"""``python -m tests.accounts.notices.dying_sender STEP``: sends the notices of version 2, and is killed at that step.

A step is a call to the ledger or to the mail server; at an even number it dies before the call, at an odd one after.
Killed means SIGKILL: nothing is tidied up. Without a step it sends to the end.
"""

import sys
from typing import Any

from chassis.settings import read
from services.accounts.bootstrap import bootstrap
from services.accounts.notices import actions
from services.accounts.settings import Settings
from tests.accounts.mortal import Life, Mortal, MortalMailer


def main() -> None:
    life = Life(int(sys.argv[1]) if len(sys.argv) > 1 else -1)
    here = bootstrap(read(Settings))
    notices, mailer = Mortal(here.notices, life), MortalMailer(here.mailer, life)
    due: list[tuple[int, Any]] = []
    actions.start_due(
        lambda *run: due.append(run), policies=here.policies, notices=here.notices, customers=here.customers
    )
    for number, kind in due or [(2, "notice")]:
        while actions.send(
            number,
            kind,
            public_url=here.settings.public_url,
            policies=here.policies,
            notices=notices,
            customers=here.customers,
            operators=here.operators,
            mailer=mailer,
            claimed_for=here.settings.notice_claimed_for,
        ):
            continue
    print("done", flush=True)


if __name__ == "__main__":
    main()
