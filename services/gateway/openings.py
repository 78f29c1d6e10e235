"""Conversations that are about to open: their ids tell us, and nobody else, whose they are.

Who opens a conversation and has no answer in time asks for it again, before chat knows it. That must not look as if it
were erased, and what is another visitor's must go on to look like nothing. So the id itself says it, to any gateway.
"""

import time
from hashlib import blake2b
from uuid import UUID

from chassis.ids import made_at, new_id

OPENING_SECONDS = 300.0
"""For how long an opening may be on its way to chat: at worst, until its partition has a relay again."""
MARK_BITS = 32


class Openings:
    """Makes the ids of conversations, and knows them again by the gateway's own key."""

    def __init__(self, service_key: str) -> None:
        self._key = blake2b(service_key.encode(), person=b"openings").digest()

    def new_id(self, visitor_id: str) -> str:
        """A fresh id, of which a part that would be chance is a mark of the visitor."""
        chosen = UUID(new_id()).int >> MARK_BITS
        return str(UUID(int=chosen << MARK_BITS | self._mark(chosen, visitor_id)))

    def is_under_way(self, conversation_id: str, visitor_id: str) -> bool:
        """Whether the visitor may have opened it so lately that chat does not know it yet."""
        made = made_at(conversation_id)
        # Another process, whose clock is not ours, may have made it.
        if made is None or abs(time.time() - made) > OPENING_SECONDS:
            return False
        found = UUID(conversation_id).int
        return self._mark(found >> MARK_BITS, visitor_id) == found & ((1 << MARK_BITS) - 1)

    def _mark(self, chosen: int, visitor_id: str) -> int:
        digest = blake2b(f"{chosen} {visitor_id}".encode(), key=self._key, digest_size=MARK_BITS // 8).digest()
        return int.from_bytes(digest)
