"""``python -m tests.surveys.dying_handler STEP``: records, attaches and erases, and is killed at that step.

A step is a command to the database, before which it dies: after the answer to the one before, nothing has happened yet.
Killed means SIGKILL: nothing is tidied up. With a step beyond the last it works to the end.
"""

import os
import signal
import sys
from typing import Any

from pymongo import monitoring

from chassis.settings import read
from services.surveys.bootstrap import bootstrap
from services.surveys.settings import Settings
from tests.surveys.story import STEPS_OF_SETTING_UP, play


class Death(monitoring.CommandListener):
    """Comes at a certain step."""

    def __init__(self, step: int) -> None:
        self._left = step

    def started(self, event: Any) -> None:
        if event.command_name in STEPS_OF_SETTING_UP:
            return
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1

    def succeeded(self, event: Any) -> None:
        return

    def failed(self, event: Any) -> None:
        return


def main() -> None:
    monitoring.register(Death(int(sys.argv[1])))
    play(bootstrap(read(Settings)).store)
    print("done", flush=True)


if __name__ == "__main__":
    main()
