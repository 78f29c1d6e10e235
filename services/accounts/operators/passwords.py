"""Passwords: hashed with argon2, a few at a time, at the same cost whether or not anybody has them."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from chassis.problems import Unavailable


class PasswordsBusy(Unavailable):
    """Too many passwords are being checked at once."""


class Passwords:
    """Each check takes much memory on purpose, so ``at_once`` bounds how many run; others wait ``patience`` seconds."""

    def __init__(
        self, *, time_cost: int, memory_kib: int, parallelism: int, at_once: int = 4, patience: float = 5.0
    ) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
        self._slots = threading.BoundedSemaphore(at_once)
        self._patience = patience
        self._decoy = self._hasher.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        with self._slot():
            return self._hasher.hash(password)

    def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether it is the password. Without a hash the answer is no, after the same work."""
        with self._slot():
            try:
                self._hasher.verify(password_hash or self._decoy, password)
            except VerifyMismatchError:
                return False
        return password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._patience):
            raise PasswordsBusy
        try:
            yield
        finally:
            self._slots.release()
