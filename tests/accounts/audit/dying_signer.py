"""``python -m tests.accounts.audit.dying_signer STEP``: signs how far the chains have got, and is killed at that step.

A step is a call to the store; at an even number it dies before the call, at an odd one after.
"""

import sys

from chassis.settings import read
from services.accounts.audit import actions
from services.accounts.bootstrap import bootstrap
from services.accounts.settings import Settings
from tests.accounts.mortal import Life, Mortal


def main() -> None:
    here = bootstrap(read(Settings))
    audit = Mortal(here.audit, Life(int(sys.argv[1])))
    actions.sign_heads(audit=audit, signer=here.signer)  # type: ignore[arg-type]
    print("done", flush=True)


if __name__ == "__main__":
    main()
