"""Changes the number of partitions: ``python -m services.chat repartition 32``.

A conversation changes its partition with their number, so nothing of it may be under way then: neither a command in an
old partition, nor a publisher that goes by the old number, nor a relay that does. It is the broker that keeps the
publishers out: the number is part of the key under which they publish (``contracts.partitions.partition_key``), and
once no queue is bound to the keys of the old number, its commands are refused.

Each step may be repeated, and the next one begins only when what it needs is seen to be so, so this may be killed
anywhere and run again. Until it has run to the end no relay starts.
"""

import sys
from collections.abc import Callable
from functools import partial

from chassis.bus import Upkeep, WorkQueue
from chassis.commands import EX_TEMPFAIL, EX_USAGE
from services.chat.bootstrap import SERVICE, assemble
from services.chat.relay import partition_queues
from services.chat.settings import MOST_PARTITIONS
from services.chat.store import ConversationStore

PATIENCE_SECONDS = 600
LOOK_SECONDS = 0.5


class StillInUse(Exception):
    """The old partitions hold commands, or a relay consumes them."""


def repartition(
    wanted: int,
    *,
    conversations: ConversationStore,
    upkeep: Upkeep,
    say: Callable[[str], object],
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Have ``wanted`` partitions in force, and no other queues of partitions that are empty. Raises ``StillInUse``."""
    count = conversations.begin_repartition(wanted)
    if count != wanted:
        say(f"From {count} to {wanted} partitions: from here on no relay starts, and publishers are refused.")
        _drain(partition_queues(count), upkeep=upkeep, say=say, patience=patience)
    if not conversations.finish_repartition(wanted):
        raise StillInUse("another change of the number was begun or finished meanwhile.")
    upkeep.declare(partition_queues(wanted))
    _remove_unused(wanted, upkeep=upkeep, say=say)
    say(f"{wanted} partitions are in force: start relays, consumers and gateways with VELARO_PARTITIONS={wanted}.")


def _drain(queues: tuple[WorkQueue, ...], *, upkeep: Upkeep, say: Callable[[str], object], patience: float) -> None:
    """Return when nothing is in the queues and nobody there who could bind them again."""
    told = ""
    for _ in range(int(patience / LOOK_SECONDS) + 1):
        reason = _use_of(queues, upkeep=upkeep)
        if not reason:
            return
        if reason != told:
            say(f"Waiting: {reason}")
            told = reason
        upkeep.wait(LOOK_SECONDS)
    raise StillInUse(told)


def _use_of(queues: tuple[WorkQueue, ...], *, upkeep: Upkeep) -> str:
    # A relay that lost its connection binds its queues again, so they are withdrawn before each look.
    there = [queue for queue in queues if upkeep.depth(queue.name)]
    for queue in there:
        upkeep.withdraw(queue)
    depths = [depth for queue in there if (depth := upkeep.depth(queue.name))]
    waiting = sum(depth.messages for depth in depths)
    has_relays = any(depth.consumers for depth in depths)
    if waiting and has_relays:
        return f"relays are still to carry out {waiting} commands."
    if waiting:
        return (
            f"{waiting} commands are in the old partitions and no relay runs. Run `repartition {len(queues)}`, start "
            f"relays with that number, and begin again."
        )
    return "the old partitions are empty. Stop all relays." if has_relays else ""


def _remove_unused(count: int, *, upkeep: Upkeep, say: Callable[[str], object]) -> None:
    for queue in partition_queues(MOST_PARTITIONS)[count:]:
        for name in (queue.name, queue.dead):
            depth = upkeep.depth(name)
            if depth is None:
                continue
            if depth.messages or depth.consumers:
                say(f"{name} is not removed: it holds {depth.messages} messages for {depth.consumers} consumers.")
            else:
                upkeep.remove(name)


def main(wanted: int) -> None:
    """Change it, and tell what is waited for; the process ends with 75 if that takes too long."""
    if not 1 <= wanted <= MOST_PARTITIONS:
        sys.stderr.write(f"there may be 1 to {MOST_PARTITIONS} partitions\n")
        raise SystemExit(EX_USAGE)
    context = assemble()
    with Upkeep(context.settings.amqp_url.get_secret_value(), service=SERVICE) as upkeep:
        try:
            repartition(wanted, conversations=context.conversations, upkeep=upkeep, say=partial(print, flush=True))
        except StillInUse as error:
            sys.stderr.write(f"not finished: {error} Then run this again, or `repartition` with the old number.\n")
            raise SystemExit(EX_TEMPFAIL) from error
