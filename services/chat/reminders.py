"""What was closed and is not sealed after a while is announced again.

A queue can be deleted with what is in it. The words are here until chat hears that they are sealed, so nothing is lost
by it but the moment: whoever has to seal is told once more, and again after pauses that double, up to a day.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from chassis.bus import Bus, PublishFailed
from chassis.clock import now
from chassis.mongo import StoreUnavailable
from services.chat.model import conversation_closed
from services.chat.store import ConversationStore

log = structlog.get_logger(__name__)

AT_ONCE = 200
LONGEST_PAUSE = timedelta(days=1)
LOOK_EVERY_SECONDS = 30.0


class Reminder:
    """Tells again of conversations that were closed ``after`` ago and are not sealed. Any number may run."""

    def __init__(
        self,
        *,
        conversations: ConversationStore,
        bus: Bus,
        after: timedelta,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._conversations = conversations
        self._bus = bus
        self._after = after
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Look from time to time until ``stop`` is set, whatever becomes of the database and the broker meanwhile."""
        while not stop.wait(min(LOOK_EVERY_SECONDS, self._after.total_seconds())):
            try:
                self.remind()
            except (PublishFailed, StoreUnavailable) as error:
                log.warning("reminders wait", reason=repr(error))
            except Exception:
                # The outermost loop: whatever it was, what is closed must still be sealed.
                log.exception("reminding failed")

    def remind(self) -> int:
        """Announce again what is due; how many they were."""
        present = self._clock()
        due = self._conversations.unsealed(closed_before=present - self._after, due=present, limit=AT_ONCE)
        for conversation, reminders in due:
            closed = conversation_closed(conversation, caused_by=conversation.closed_by_command or "")
            self._bus.publish(msgspec.structs.replace(closed, is_reminder=True)).result()
            pause = min(LONGEST_PAUSE, self._after * 2 ** min(reminders, 20))
            self._conversations.note_reminder(
                conversation.customer_id, conversation.conversation_id, next_at=present + pause
            )
            log.warning("not sealed yet: announced again", conversation_id=conversation.conversation_id)
        return len(due)
