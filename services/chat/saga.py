"""The erasure of a visitor, driven to its end: who holds something is asked until all have given their receipts.

The state is in the database, and every step of it may be taken twice: whoever drives it may be killed anywhere. What
there is to erase is looked for as often as it takes for a look to find nothing, so that it is known to be gone.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog

from chassis.bus import Bus, Delivery, PublishFailed, Resting
from chassis.certificates import Signer
from chassis.clock import now
from chassis.mongo import StoreUnavailable
from contracts.chat import EraseLog, VisitorErased
from contracts.partitions import command_key
from contracts.surveys import ATTACHER, AnswersErased, EraseAnswers
from contracts.transcripts import RECORDER, EraseTranscript, TranscriptErased
from services.chat.model import CERTIFICATE, Erasure, Part, Receipt, Service, certificate_of
from services.chat.store import ErasureStore

log = structlog.get_logger(__name__)

AT_ONCE = 20
THREADS = 4
SENT_AT_ONCE = 200
FEWEST_LOOKS = 2
PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


class Eraser:
    """Advances every erasure that is due. Any number may run: each erasure is one eraser's at a time."""

    def __init__(
        self,
        *,
        erasures: ErasureStore,
        bus: Bus,
        resting: Resting,
        signer: Signer,
        partitions: int,
        look_after: timedelta,
        retry_after: timedelta,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._erasures = erasures
        self._bus = bus
        self._resting = resting
        self._signer = signer
        self._partitions = partitions
        self._look_after = look_after
        self._retry_after = retry_after
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Erase until ``stop`` is set, whatever becomes of the database and the broker meanwhile."""
        pause = PAUSE_SECONDS
        while not stop.is_set():
            try:
                advanced = self.advance()
                pause = PAUSE_SECONDS
            except (PublishFailed, StoreUnavailable) as error:
                log.warning("erasures wait", reason=repr(error))
                advanced, pause = 0, min(LONGEST_PAUSE_SECONDS, pause * 2)
            except Exception:
                # The outermost loop: whatever it was, what is to be erased must still be.
                log.exception("erasing failed")
                advanced, pause = 0, min(LONGEST_PAUSE_SECONDS, pause * 2)
            if not advanced:
                stop.wait(pause)
        self._resting.close()

    def advance(self) -> int:
        """Take the next step of those just begun and those due; how many. What fails is due again after a while."""
        begun = self._erasures.untold(limit=AT_ONCE)
        _each(self._begin, begun)
        due = self._erasures.claim(self._clock(), retry_after=self._retry_after, limit=AT_ONCE)
        _each(self._advance, due)
        return len(begun) + len(due)

    def _begin(self, erasure: Erasure) -> None:
        """Before its turn to look has come: until they are told, open sockets take the visitor's words."""
        self._shut_out(erasure)
        self._erasures.note_told(erasure)

    def _shut_out(self, erasure: Erasure) -> None:
        # Whoever began it may have died before: nobody is told of an erasure whose visitor could still come in.
        self._erasures.bury(erasure, at=self._clock())
        self._tell(erasure)

    def _advance(self, erasure: Erasure) -> None:
        self._shut_out(erasure)
        self._erasures.forget_visits(erasure)
        self._erasures.gather_parts(erasure)
        if not self._ask(erasure):
            self._end_look(erasure)

    def _tell(self, erasure: Erasure) -> None:
        gone = VisitorErased(
            customer_id=erasure.customer_id,
            visitor_id=erasure.visitor_id,
            reason=erasure.reason,
            erased_at=erasure.requested_at,
        )
        self._bus.publish(gone).result()

    def _ask(self, erasure: Erasure) -> bool:
        """Ask for every receipt that is missing; False if none is."""
        asked: list[Future[None]] = []
        ids = [erasure.visitor_id]
        is_anybody_asked = False
        for part in self._erasures.waiting_parts(erasure):
            is_anybody_asked = True
            ids.append(part.conversation_id)
            asked += [self._send(part, service) for service in part.waiting]
            if len(asked) >= SENT_AT_ONCE:
                self._settle(erasure, asked, ids)
        self._settle(erasure, asked, ids)
        return is_anybody_asked

    def _settle(self, erasure: Erasure, asked: list["Future[None]"], ids: list[str]) -> None:
        for answer in asked:
            answer.result()
        if removed := self._resting.discard(ids):
            self._erasures.count_found(erasure, {"dead_letters": sum(removed.values())})
        asked.clear()
        ids.clear()

    def _send(self, part: Part, service: Service) -> "Future[None]":
        if service == "chat":
            queue = command_key(part.conversation_id, self._partitions)
            return self._bus.send(_erase_log(part), queue=queue)
        if service == "transcripts":
            return self._bus.send(_erase_transcript(part), queue=RECORDER)
        return self._bus.send(_erase_answers(part), queue=ATTACHER)

    def _end_look(self, erasure: Erasure) -> None:
        found = self._erasures.found_in(erasure)
        if found or erasure.look < FEWEST_LOOKS:
            self._erasures.look_again(erasure, removed=found, at=self._clock() + self._look_after)
            return
        completed_at = self._clock()
        statement = certificate_of(erasure, completed_at=completed_at)
        certificate = self._signer.sign(CERTIFICATE, statement)
        if self._erasures.complete(erasure, certificate=certificate, completed_at=completed_at):
            log.info("erasure completed", erasure_id=erasure.erasure_id, reason=erasure.reason, looks=erasure.look)


def _each(step: Callable[[Erasure], None], erasures: Sequence[Erasure]) -> None:
    if erasures:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(step, erasures))


def _erase_log(part: Part) -> EraseLog:
    return EraseLog(
        customer_id=part.customer_id,
        command_id=f"erase-{part.conversation_id}-{part.look}",
        conversation_id=part.conversation_id,
        erasure_id=part.erasure_id,
        look=part.look,
    )


def _erase_transcript(part: Part) -> EraseTranscript:
    return EraseTranscript(
        customer_id=part.customer_id,
        erasure_id=part.erasure_id,
        conversation_id=part.conversation_id,
        look=part.look,
    )


def _erase_answers(part: Part) -> EraseAnswers:
    return EraseAnswers(
        customer_id=part.customer_id,
        erasure_id=part.erasure_id,
        conversation_id=part.conversation_id,
        look=part.look,
    )


def collect_receipts(
    deliveries: Sequence[Delivery], *, erasures: ErasureStore, clock: Callable[[], datetime] = now
) -> None:
    """Take down the receipts of the other services; one that comes again, or too late, changes nothing."""
    erasures.receive([receipt_in(delivery.payload) for delivery in deliveries], now=clock())


def receipt_in(event: object) -> Receipt:
    """The receipt that a service's event is."""
    assert isinstance(event, TranscriptErased | AnswersErased)
    return Receipt(
        service="transcripts" if isinstance(event, TranscriptErased) else "surveys",
        erasure_id=event.erasure_id,
        conversation_id=event.conversation_id,
        look=event.look,
        removed=event.removed,
    )
