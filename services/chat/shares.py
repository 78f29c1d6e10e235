"""Which relay each partition is to be with: as many for each, and moved as seldom as can be."""

from collections.abc import Collection, Mapping
from itertools import islice

import msgspec

Shares = Mapping[int, str]
"""The id of a relay for each partition."""


class Member(msgspec.Struct, frozen=True):
    """A relay as it last told of itself: how often it has done so, and which subscription it has to each partition."""

    beats: int
    subscriptions: Mapping[int, int]


class Agreement(msgspec.Struct, frozen=True):
    """Who is there, and who is to have what. ``version`` counts how often the latter was agreed on."""

    version: int = 0
    members: Mapping[str, Member] = {}
    shares: Shares = {}

    def subscription(self, relay_id: str, partition: int) -> int | None:
        """The number of the relay's subscription to the partition, if it has one."""
        member = self.members.get(relay_id)
        return member.subscriptions.get(partition) if member else None


def evened(shares: Shares, relay_ids: Collection[str], count: int) -> dict[int, str]:
    """Shares of ``count`` partitions that differ by one at most; whoever has one keeps it if that can be."""
    kept = {relay_id: [p for p in range(count) if shares.get(p) == relay_id] for relay_id in sorted(relay_ids)}
    # Whoever has most already gets the shares that are larger by one.
    by_size = sorted(kept, key=lambda relay_id: -len(kept[relay_id]))
    least, over = divmod(count, len(by_size))
    room = {relay_id: least + (place < over) for place, relay_id in enumerate(by_size)}
    made = {p: relay_id for relay_id in by_size for p in kept[relay_id][: room[relay_id]]}
    free = iter([p for p in range(count) if p not in made])
    for relay_id in by_size:
        made |= dict.fromkeys(islice(free, max(0, room[relay_id] - len(kept[relay_id]))), relay_id)
    return made
