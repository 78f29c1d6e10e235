"""Parts of accounts with few calls left: at the last of them the process is killed with SIGKILL, nothing tidied up."""

import os
import signal
from contextlib import contextmanager
from typing import Any


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
