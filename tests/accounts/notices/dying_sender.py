"""``python -m tests.accounts.notices.dying_sender STEP``: sends the notices of version 2, and is killed at that step.

A step is a call to the ledger or to the mail server; at an even number it dies before the call, at an odd one after.
Killed means SIGKILL: nothing is tidied up. Without a step it sends to the end.
"""

import os
import signal
import sys
from contextlib import contextmanager
from typing import Any

from chassis.settings import read
from services.accounts.bootstrap import bootstrap
from services.accounts.notices import actions
from services.accounts.settings import Settings


class Life:
    """How many half steps are left."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def pass_by(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


class Mortal:
    """Another object, each of whose calls is two steps of a life."""

    def __init__(self, inner: Any, life: Life) -> None:
        self._inner = inner
        self._life = life

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._life.pass_by()
            result = found(*arguments, **options)
            self._life.pass_by()
            return result

        return call


class MortalMailer(Mortal):
    @contextmanager
    def connected(self) -> Any:
        with self._inner.connected() as line:
            yield Mortal(line, self._life)


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
