"""What rests in the queues of dead letters, for whoever has to take something out of them for good."""

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from chassis.bus.connection import parameters_of
from chassis.bus.errors import LOCKED, NOT_FOUND, Down
from chassis.bus.topology import DEFAULT_EXCHANGE, dead_queue

log = structlog.get_logger(__name__)

IDLE_SECONDS = 15.0
EMPTY_FOR_SECONDS = 0.5
"""For how long queues that were found empty count as empty: many ask one after the other."""
PATIENCE_SECONDS = 5.0
LOOK_SECONDS = 0.02
"""For how long a search waits for that of another process, and how often it looks whether that is over."""

# In the text of a message the quotes would be escaped, so that nobody can write what is found here.
_ids = re.compile(rb'"(?:conversation_id|visitor_id)":\s?"([^"\\]+)"')


class Resting:
    """Removes from the ``.dead`` of ``queues`` what tells of certain ids.

    Each delivery is looked at once: one that stays goes to the end of its queue, confirmed, before it is acknowledged
    at the front. A death in between leaves it there twice, which is once for whoever handles it. Any thread may call.

    Of all processes with the same ``name`` one searches at a time: two would take from each other's sight what they
    have in hand, and pass by what the other put back. Who searches has a queue that is their connection's alone; a
    quorum queue takes no notice of consumers that want to be alone with it.

    ``former`` are queues that may have been in use once: those that are not there will not be looked for again.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        queues: Iterable[str],
        former: Iterable[str] = (),
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._parameters = parameters_of(url, f"{name} resting")
        self._queues = tuple(map(dead_queue, queues))
        self._former = tuple(map(dead_queue, former))
        self._turn = f"{name}.search-dead-letters"
        self._patience = patience
        self._lock = threading.Lock()
        self._connection: pika.BlockingConnection | None = None
        self._channel: BlockingChannel | None = None
        self._used_at = 0.0
        self._empty_at = -EMPTY_FOR_SECONDS

    def discard(self, ids: Collection[str]) -> Counter[str]:
        """Remove every delivery about one of ``ids``; how many were, by id. Raises ``Down``."""
        wanted = {each.encode(): each for each in ids}
        removed: Counter[str] = Counter()
        with self._lock:
            if time.monotonic() - self._empty_at < EMPTY_FOR_SECONDS:
                return removed
            began = time.monotonic()
            try:
                if wanted and not self._search(wanted, removed):
                    self._empty_at = began
            except (AMQPError, OSError) as error:
                with contextlib.suppress(AMQPError, OSError):
                    self.close()
                raise Down("no connection to the broker") from error
        return removed

    def close(self) -> None:
        """Disconnect."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            connection.close()

    def _search(self, wanted: dict[bytes, str], removed: Counter[str]) -> int:
        """Looks through all queues; how much was in them."""
        self._await_turn(self._connected())
        try:
            return sum(self._discard(queue, wanted, removed) for queue in self._queues + self._former)
        finally:
            self._opened().queue_delete(self._turn)

    def _await_turn(self, connection: pika.BlockingConnection) -> None:
        deadline = time.monotonic() + self._patience
        while not self._has_turn():
            if time.monotonic() > deadline:
                raise Down("another process searches the dead letters")
            connection.sleep(LOOK_SECONDS)

    def _has_turn(self) -> bool:
        try:
            self._opened().queue_declare(self._turn, exclusive=True, arguments={"x-queue-type": "classic"})
        except ChannelClosedByBroker as error:
            if error.reply_code != LOCKED:
                raise
            return False
        return True

    def _discard(self, queue: str, wanted: dict[bytes, str], removed: Counter[str]) -> int:
        """Looks through the queue; how much was in it."""
        length = self._count(queue)
        channel = self._opened()
        for _ in range(length):
            got: Any = channel.basic_get(queue)
            method, properties, body = got
            if method is None:
                break
            found = {wanted[each] for each in _ids.findall(body) if each in wanted}
            if found:
                removed.update(found)
                log.info("dead letter discarded", queue=queue)
            else:
                channel.basic_publish(DEFAULT_EXCHANGE, queue, body, properties, mandatory=True)
            channel.basic_ack(method.delivery_tag)
        return length

    def _count(self, queue: str) -> int:
        try:
            declared: Any = self._opened().queue_declare(queue, passive=True).method
            return int(declared.message_count)
        except ChannelClosedByBroker as error:
            if error.reply_code != NOT_FOUND:
                raise
            # Its consumer has never run, so there is nothing in it.
            self._former = tuple(each for each in self._former if each != queue)
            return 0

    def _connected(self) -> pika.BlockingConnection:
        # Nobody answers heartbeats between two calls, so the broker may have hung up in a longer pause.
        if time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()
        if self._connection is None or not self._connection.is_open:
            self._connection, self._channel = pika.BlockingConnection(self._parameters), None
        self._used_at = time.monotonic()
        return self._connection

    def _opened(self) -> BlockingChannel:
        """The channel, on the connection that the search began with: on another it would not be our turn."""
        assert self._connection is not None
        if self._channel is None or not self._channel.is_open:
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
        return self._channel
