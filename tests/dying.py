"""Programs that a test starts, and that may kill themselves on the way."""

import signal
import subprocess
import sys
from collections.abc import Mapping


def exit_code_of(module: str, *arguments: object, environment: Mapping[str, str]) -> int:
    """0 of a program that came to its end, ``-SIGKILL`` of one that was killed; it must not end otherwise."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode
