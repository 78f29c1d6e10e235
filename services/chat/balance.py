"""Keeps the partitions spread evenly over the relays that live.

The broker gives a partition to the relay that subscribed to it first, and when that one dies to the next: for this no
relay has to know of another. Only the order of subscriptions is seen to here. The relays agree on shares, and whoever
has no share in a partition subscribes to it anew, behind the one that has. What follows of it:

- A mistake here, an agreement that is outdated, or a database that is away, makes shares uneven and nothing else.
- Nobody has to know who is active, which the broker does not tell.
- Nobody moves twice for the same reason: a relay remembers behind which subscriptions it stands.

Whether a relay lives is told by the beats of its heart that others see, not by a clock: it is gone when it was silent
during several beats of the one who looks. So nobody is gone because the database was away for a while.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import prometheus_client
import structlog

from chassis.bus import BatchConsumer
from chassis.ids import new_id
from chassis.mongo import StoreUnavailable
from contracts.partitions import partition_queue
from services.chat.shares import Agreement, evened
from services.chat.store import RelayStore

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0
SETTLED_BEATS = 3
"""From here on a relay gets a share: one that dies again and again at its start moves nothing."""
SILENT_BEATS = 4

_share = prometheus_client.Gauge("velaro_relay_partitions_share", "Partitions that are to be with this relay.")
_moves = prometheus_client.Counter(
    "velaro_relay_moves", "Partitions this relay was active in and let go of, for the relay whose share they are."
)


class Balance:
    """One relay's part in it. ``active`` tells the queues that ``consumer`` gets commands from.

    It also sees to it that a relay which was cut off or frozen while the number of partitions was changed, so that
    ``in_force`` gives another than ``partitions``, stops and does not come back to the old ones.
    """

    def __init__(
        self,
        *,
        relays: RelayStore,
        consumer: BatchConsumer,
        partitions: int,
        in_force: Callable[[], int | None],
        active: Callable[[], Collection[str]],
    ) -> None:
        self.relay_id = new_id()
        self._relays = relays
        self._consumer = consumer
        self._queues = {partition: partition_queue(partition) for partition in range(partitions)}
        self._in_force = in_force
        self._active = active
        self._silent: dict[str, tuple[int, int]] = {}
        # What was agreed on when this relay last subscribed to each partition, or before.
        self._behind: dict[int, Agreement] = {}
        self._due: set[int] = set()
        self.is_outdated = False

    @contextmanager
    def kept(self, stop: threading.Event) -> Iterator[None]:
        """Inside, a thread beats until ``stop`` is set; enter it before anything is subscribed to."""
        agreement = self._relays.agreement()
        self._behind = dict.fromkeys(self._queues, agreement)
        thread = threading.Thread(target=self._run, args=(stop,), name="balance", daemon=True)
        thread.start()
        yield
        thread.join(BEAT_SECONDS)
        self._leave()

    def beat(self) -> None:
        """Tell the others of this relay, and do what follows from what they tell."""
        subscribed = self._consumer.subscribed
        subscriptions = {p: subscribed[queue] for p, queue in self._queues.items() if queue in subscribed}
        if not subscriptions:
            # Without the broker it is of no use: to the others it is as if it were gone.
            return
        agreement = self._relays.beat(self.relay_id, subscriptions)
        self._share_out(agreement, self._gone(agreement))
        self._step_back(agreement)

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(BEAT_SECONDS):
            try:
                if self._in_force() != len(self._queues):
                    self.is_outdated = True
                    stop.set()
                    return
                self.beat()
            except StoreUnavailable as error:
                log.warning("relays know nothing of each other", reason=repr(error))
            except Exception:
                # The outermost loop: evenness is a comfort, and the relay works without it.
                log.exception("partitions could not be balanced")

    def _leave(self) -> None:
        try:
            self._relays.leave(self.relay_id)
        except StoreUnavailable as error:
            log.warning("could not say goodbye to the other relays", reason=repr(error))

    def _gone(self, agreement: Agreement) -> set[str]:
        """The relays that were silent for too long."""
        silent: dict[str, tuple[int, int]] = {}
        for relay_id, member in agreement.members.items():
            beats, times = self._silent.get(relay_id, (member.beats, -1))
            silent[relay_id] = (member.beats, times + 1 if beats == member.beats else 0)
        self._silent = silent
        return {relay_id for relay_id, (_, times) in silent.items() if times >= SILENT_BEATS}

    def _share_out(self, agreement: Agreement, gone: set[str]) -> None:
        settled = {relay_id for relay_id, member in agreement.members.items() if member.beats >= SETTLED_BEATS}
        if not settled - gone:
            return
        shares = evened(agreement.shares, settled - gone, len(self._queues))
        if (gone or shares != agreement.shares) and self._relays.agree(agreement, shares, gone=gone):
            log.info("partitions shared out", relays=len(settled - gone), gone=len(gone))

    def _step_back(self, agreement: Agreement) -> None:
        _share.set(sum(relay_id == self.relay_id for relay_id in agreement.shares.values()))
        active = self._active()
        due = {partition for partition in self._queues if self._is_before(partition, agreement)}
        for partition in due:
            queue = self._queues[partition]
            # Whoever has it goes last, lest it passes through the hands of one who waits and steps back as well.
            if queue in active and partition not in self._due:
                continue
            self._behind[partition] = agreement
            self._consumer.step_back(queue)
            if queue in active:
                _moves.inc()
                log.info("partition let go", queue=queue)
        self._due = due

    def _is_before(self, partition: int, agreement: Agreement) -> bool:
        """Whether this relay may have subscribed to the partition before the relay that is to have it."""
        relay_id = agreement.shares.get(partition)
        if relay_id is None or relay_id == self.relay_id:
            return False
        subscription = agreement.subscription(relay_id, partition)
        return subscription not in (None, self._behind[partition].subscription(relay_id, partition))
