"""What tests need: waiting for facts, ears on the bus, a bus that remembers, deliveries without a broker, callers."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from chassis.auth import Caller, Role, TokenIssuer, TokenVerifier, new_key, public_keys
from chassis.bus import BatchConsumer, Delivery, PublishFailed, WorkQueue
from chassis.bus.publisher import State
from chassis.ids import new_id
from contracts.payload import Command, Event, Payload

T = TypeVar("T")


def eventually(check: Callable[[], T], timeout: float = 10.0, every: float = 0.05) -> T:
    """The first truthy result of ``check``, which is tried every ``every`` seconds.

    Raises ``AssertionError`` with what was seen last if there is none within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        seen: object
        try:
            result = check()
        except Exception as error:  # noqa: BLE001 - whatever keeps it from being true may pass
            seen = error
        else:
            if result:
                return result
            seen = result
        if time.monotonic() >= deadline:
            cause = seen if isinstance(seen, Exception) else None
            raise AssertionError(f"not within {timeout} s; last seen: {seen!r}") from cause
        time.sleep(every)


@contextmanager
def hearing(url: str, queue: WorkQueue) -> Iterator[list[Any]]:
    """The events that ``queue`` hears at the broker, from when it is declared until the end."""
    heard: list[Any] = []
    stop = threading.Event()
    consumer = BatchConsumer(
        url,
        service="tests",
        queues=[queue],
        payloads=queue.hears,
        handle=lambda deliveries: heard.extend(delivery.payload for delivery in deliveries),
    )
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    try:
        eventually(lambda: consumer.is_up, timeout=30)
        yield heard
    finally:
        stop.set()
        thread.join()


class RecordingBus:
    """Stands in for ``Bus``: remembers what it was asked to do and says that it is done.

    With ``failure`` set, every publish fails with it instead and is not remembered.
    """

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.sent: list[tuple[str, Command]] = []
        self.signals: list[tuple[str, bytes]] = []
        self.failure: PublishFailed | None = None
        self.state: State = "up"

    def start(self) -> None:
        """Nothing to start."""

    def wait_until_up(self, timeout: float = 10.0) -> bool:
        """Whether ``state`` is ``up``."""
        return self.is_up

    @property
    def is_up(self) -> bool:
        """Whether ``state`` is ``up``, which tests may change."""
        return self.state == "up"

    def publish(
        self, event: Event, *, message_id: str | None = None, correlation_id: str | None = None
    ) -> "Future[None]":
        """Remember ``event`` in ``published``."""
        return self._remember(self.published, [event])

    def publish_together(self, events: Iterable[Event]) -> "Future[None]":
        """Remember ``events`` in ``published``."""
        return self._remember(self.published, list(events))

    def send(self, command: Command, *, queue: str, correlation_id: str | None = None) -> "Future[None]":
        """Remember ``queue`` and ``command`` in ``sent``."""
        return self._remember(self.sent, [(queue, command)])

    def signal(self, customer_id: str, body: bytes) -> None:
        """Remember ``customer_id`` and ``body`` in ``signals``."""
        if self.is_up:
            self.signals.append((customer_id, body))

    def close(self) -> None:
        """Nothing to close."""

    def _remember(self, where: list[T], what: list[T]) -> "Future[None]":
        answer: Future[None] = Future()
        if self.failure is None:
            where.extend(what)
            answer.set_result(None)
        else:
            answer.set_exception(self.failure)
        return answer


def as_delivered(payload: T) -> T:
    """``payload`` as a consumer reads it."""
    return msgspec.json.decode(msgspec.json.encode(payload), type=type(payload))


def a_delivery(payload: Payload, *, queue: str = "tests", redelivered: bool = False) -> Delivery:
    """A delivery of ``payload``, as a ``BatchConsumer`` hands it over."""
    return Delivery(payload=as_delivered(payload), queue=queue, message_id=new_id(), redelivered=redelivered)


class Callers:
    """A small world of services that know each other's keys."""

    def __init__(self, *services: str) -> None:
        self._keys = {service: new_key(service) for service in services}
        self.jwks = public_keys(self._keys.values())

    def key(self, service: str) -> str:
        """The private key of ``service``."""
        return self._keys[service]

    def issuer(self, service: str) -> TokenIssuer:
        """Signs as ``service``."""
        return TokenIssuer(service, self._keys[service])

    def verifier(self, service: str) -> TokenVerifier:
        """Checks tokens meant for ``service``."""
        return TokenVerifier(service, self.jwks)

    def headers(self, audience: str, role: Role, *, service: str = "gateway", **claims: Any) -> dict[str, str]:
        """HTTP headers of a request to ``audience`` by someone in ``role``; ``claims`` are fields of ``Caller``."""
        caller = Caller(service=service, role=role, **claims)
        return {"Authorization": f"Bearer {self.issuer(service).token_for(caller, audience)}"}
