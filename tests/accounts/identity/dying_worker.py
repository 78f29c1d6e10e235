"""``python -m tests.accounts.identity.dying_worker upload|decide|sweep STEP …``: does that, and is killed at that step.

A step is a call to a store; at an even number it dies before the call, at an odd one after. Killed means SIGKILL.
"""

import dataclasses
import sys
from datetime import datetime

from chassis.settings import read
from services.accounts.bootstrap import bootstrap
from services.accounts.identity import actions
from services.accounts.operators.model import Acting
from services.accounts.settings import Settings
from tests.accounts.identity.files import a_picture
from tests.accounts.mortal import Life, Mortal


def main() -> None:
    what, step, moment, *arguments = sys.argv[1:]
    now, life = datetime.fromisoformat(moment), Life(int(step))
    here = bootstrap(read(Settings))
    here = dataclasses.replace(
        here,
        verifications=Mortal(here.verifications, life),  # type: ignore[arg-type]
        letters=Mortal(here.letters, life),  # type: ignore[arg-type]
    )
    if what == "upload":
        who = Acting(customer_id="c1", operator_id=arguments[0], session_id="", name="")
        actions.upload(
            who,
            "change-billing",
            a_picture(),
            now=now,
            reader=here.documents,
            master_key=here.master_key,
            verifications=here.verifications,
            operators=here.operators,
        )
    elif what == "decide":
        actions.decide(
            arguments[0],
            "approved",
            reason="It is her.",
            decided_by="rita",
            now=now,
            verifications=here.verifications,
            letters=here.letters,
            operators=here.operators,
        )
    else:
        actions.sweep(now=now, verifications=here.verifications, letters=here.letters, operators=here.operators)
    print("done", flush=True)


if __name__ == "__main__":
    main()
