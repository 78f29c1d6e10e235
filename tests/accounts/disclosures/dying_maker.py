"""``python -m tests.accounts.disclosures.dying_maker DISCLOSURE [STEP]``: carries it out, and is killed at that step.

A step is a call to a store or to who keeps the words; at an even number it dies before the call, at an odd one after.
"""

import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from chassis.settings import read
from services.accounts.bootstrap import bootstrap
from services.accounts.disclosures import actions
from services.accounts.settings import Settings
from tests.accounts.disclosures.words import THREE, SomeWords
from tests.accounts.mortal import Life, Mortal


class MortalWords(Mortal):
    def ids(self, disclosure: Any) -> Iterator[str]:
        self._life.pass_by()
        yield from self._inner.ids(disclosure)


def main() -> None:
    life = Life(int(sys.argv[2]) if len(sys.argv) > 2 else -1)
    here = bootstrap(read(Settings))
    actions.execute(
        sys.argv[1],
        words=MortalWords(SomeWords(THREE), life),  # type: ignore[arg-type]
        disclosures=Mortal(here.disclosures, life),  # type: ignore[arg-type]
        audit=Mortal(here.audit, life),  # type: ignore[arg-type]
        signer=here.signer,
        claimed_for=timedelta(minutes=1),
        kept_for=timedelta(days=1),
    )
    print("done", flush=True)


if __name__ == "__main__":
    main()
