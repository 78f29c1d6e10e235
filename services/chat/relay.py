"""Commands in, by partition and in batches: order, ``seq``, store, announce, acknowledge.

A conversation has one partition and a partition one active relay, so order is given. What a relay
cannot know is whether it still is the active one, or whether a command was carried out before by
one that died: the unique indexes of the store refuse every second writing, and what was refused is
read again and answered again. The queue is the outbox: a command is acknowledged only when its
events are confirmed, so a death at any line means that it comes again.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import cast

import prometheus_client
import structlog

from chassis import operations
from chassis.bus import BatchConsumer, Bus, Delivery, PublishFailed, Restart, Retry, WorkQueue
from chassis.clock import now
from chassis.commands import stop_when_told
from chassis.ids import new_id
from chassis.mongo import StoreUnavailable
from contracts.chat import (
    COMMANDS,
    AcceptConversation,
    AcknowledgePolicy,
    Capture,
    CloseConversation,
    ConversationCommand,
    ConversationEvent,
    DropLog,
    EraseLog,
    ErasureReason,
    FlagMinor,
    OpenConversation,
    Page,
    PostMessage,
    VisitorErased,
)
from contracts.digest import digest_of
from contracts.partitions import partition_key, partition_queue
from services.chat import model
from services.chat.balance import Balance
from services.chat.bootstrap import (
    SERVICE,
    bootstrap,
    refuse_other_partitions,
    refuse_while_repartitioning,
    started_bus,
)
from services.chat.model import Conversation, ConversationKey, End, Head, Message, MessageKey, Posting, Refused
from services.chat.settings import MESSAGES_PER_CONVERSATION, Settings
from services.chat.store import ConversationStore, Fenced, VisitorStore

log = structlog.get_logger(__name__)

HEADS_KEPT = 10_000
"""Conversations remembered between two batches."""

HEARTBEAT_SECONDS = 1
"""A relay that is silent for two to three of them, as its host is gone or it is frozen, is replaced by another."""

_commands = prometheus_client.Counter("velaro_relay_commands", "Commands handled.", ("command",))
_batch_size = prometheus_client.Histogram(
    "velaro_relay_batch_size", "Commands in a batch.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
_seconds = prometheus_client.Histogram("velaro_relay_handle_seconds", "Time from a batch to its confirmed events.")
_partitions = prometheus_client.Gauge(
    "velaro_relay_partitions_active", "Partitions that gave this relay commands, and that it has not lost since."
)
_takeovers = prometheus_client.Counter(
    "velaro_relay_takeovers", "Partitions begun with, whichever relay, if any, had them before."
)
_fence_rejections = prometheus_client.Counter(
    "velaro_relay_fence_rejections", "Writes refused because another writer, or this one, was there before.", ("fence",)
)


class LogIncomplete(Exception):
    """A conversation is to be closed and its log has a gap, which the fences make impossible."""


class Heads(OrderedDict[ConversationKey, Head]):
    """Where the conversations lately dealt with stand; those longest unused are forgotten first."""

    def touch(self, keys: Iterable[ConversationKey]) -> None:
        for key in keys:
            self.move_to_end(key)

    def forget(self, keys: Iterable[ConversationKey]) -> None:
        for key in keys:
            self.pop(key, None)

    def trim(self, size: int) -> None:
        while len(self) > size:
            self.popitem(last=False)


class Relay:
    """Carries out the commands of the partitions. Used by one thread at a time, except ``active``."""

    def __init__(
        self,
        *,
        conversations: ConversationStore,
        visitors: VisitorStore,
        bus: Bus,
        clock: Callable[[], datetime] = now,
        heads_kept: int = HEADS_KEPT,
        most_messages: int = MESSAGES_PER_CONVERSATION,
    ) -> None:
        self._conversations = conversations
        self._visitors = visitors
        self._bus = bus
        self._clock = clock
        self._heads = Heads()
        self._heads_kept = heads_kept
        self._most_messages = most_messages
        self._answers: list[Future[None]] = []
        self._active: set[str] = set()
        # The partitions of which what is remembered is true, and what comes next not carried out already.
        self._trusted: set[str] = set()

    @property
    def active(self) -> frozenset[str]:
        """The queues of the partitions that gave this relay commands, and that it has not lost since."""
        return frozenset(self._active)

    def forget(self) -> None:
        """Read everything anew from the next batch on: nobody knows what became of the last one."""
        self._trusted.clear()

    def begin(self, queue: str) -> None:
        """Read everything anew when ``queue`` gives commands again: there may have been another writer meanwhile."""
        self._trusted.discard(queue)
        self._active.discard(queue)
        _partitions.set(len(self._active))

    def handle(self, deliveries: Sequence[Delivery]) -> None:
        """Carry out a batch. Returns when all its answers are confirmed, so that it may be acknowledged."""
        _batch_size.observe(len(deliveries))
        with _seconds.time():
            try:
                self._carry_out(deliveries, is_repeated=self._is_repeated(deliveries))
                for answer in self._answers:
                    answer.result()
            except (StoreUnavailable, PublishFailed) as error:
                self.forget()
                raise Retry(type(error).__name__) from error
            except BaseException:
                self.forget()
                raise
            finally:
                self._answers.clear()
                self._heads.trim(self._heads_kept)
        _count(deliveries)

    def _is_repeated(self, deliveries: Sequence[Delivery]) -> bool:
        """Whether any of the commands may have been carried out before. Forgets what may be outdated."""
        queues = {delivery.queue for delivery in deliveries}
        is_in_doubt = not queues <= self._trusted
        if is_in_doubt:
            self._heads.clear()
            self._trusted |= queues
            self._take_over(queues - self._active)
        return is_in_doubt or any(delivery.redelivered for delivery in deliveries)

    def _take_over(self, queues: set[str]) -> None:
        self._active |= queues
        _takeovers.inc(len(queues))
        _partitions.set(len(self._active))

    def _carry_out(self, deliveries: Sequence[Delivery], *, is_repeated: bool) -> None:
        commands = [cast(ConversationCommand, delivery.payload) for delivery in deliveries]
        posts: list[PostMessage] = []
        for command in commands:
            if isinstance(command, PostMessage):
                posts.append(command)
                continue
            self._post(posts, is_repeated=is_repeated)
            posts = self._change(command)
        self._post(posts, is_repeated=is_repeated)

    def _post(self, commands: Sequence[PostMessage], *, is_repeated: bool) -> None:
        """Store a run of messages and announce them; what a fence keeps out is looked up and tried once more."""
        refused = self._append(commands, is_repeated=is_repeated)
        if refused and self._append(refused, is_repeated=True):
            raise Restart

    def _append(self, commands: Sequence[PostMessage], *, is_repeated: bool) -> Sequence[PostMessage]:
        """Store and announce the messages up to the first that a fence keeps out; those from there on are returned."""
        self._read_heads(commands)
        stored = self._stored(commands, is_repeated=is_repeated)
        plan = model.plan_posts(
            commands, self._heads, stored, most_messages=self._most_messages, sent_at=self._clock(), new_id=new_id
        )
        done = self._keep_messages(plan)
        for posting in plan[:done]:
            if posting.message is not None:
                self._heads[model.conversation_key(posting.command)].last_seq = posting.message.seq
        self._announce([posting.answer for posting in plan[:done]])
        self._heads.forget(model.conversation_key(posting.command) for posting in plan[done:])
        return commands[done:]

    def _stored(self, commands: Sequence[PostMessage], *, is_repeated: bool) -> dict[MessageKey, Message]:
        """The messages that may be there already: if repeated, all; if they would be refused now, then too."""
        doubtful = (
            model.message_key(command)
            for command in commands
            if is_repeated or self._may_be_refused(command, among=len(commands))
        )
        return self._conversations.stored(doubtful)

    def _may_be_refused(self, command: PostMessage, *, among: int) -> bool:
        """Whether it is refused if all of these commands are messages of its conversation, and it is the last."""
        head = self._heads.get(model.conversation_key(command))
        seq = head.last_seq + among if head else among
        return model.refusal_of(command, head, seq=seq, most_messages=self._most_messages) is not None

    def _keep_messages(self, plan: Sequence[Posting]) -> int:
        """How far into the plan the messages are stored: all the way, or up to a fence."""
        new = [(place, posting.message) for place, posting in enumerate(plan) if posting.message is not None]
        try:
            self._conversations.append([message for _, message in new])
        except Fenced as refused:
            _fence_rejections.labels(refused.fence).inc()
            return new[refused.stored][0]
        return len(plan)

    def _change(self, command: ConversationCommand) -> list[PostMessage]:
        """Carry out a command that is not a message; the messages that follow from it are returned."""
        try:
            match command:
                case OpenConversation():
                    return self._open(command)
                case AcceptConversation():
                    self._accept(command)
                case AcknowledgePolicy():
                    self._acknowledge(command)
                case CloseConversation():
                    self._close(command)
                case DropLog():
                    self._drop_log(command)
                case FlagMinor():
                    self._flag_minor(command)
                case EraseLog():
                    self._erase_log(command)
        except Refused as refusal:
            self._announce([model.command_rejected(command, refusal.code)])
        return []

    def _open(self, command: OpenConversation) -> list[PostMessage]:
        conversation = self._opened(command)
        if self._visitors.is_erased(command.customer_id, command.visitor_id):
            # Erased while their command was on its way, or in between: nobody has heard of the conversation yet.
            self._begin_erasure(command, command.visitor_id, reason="asked")
            raise Refused("erased")
        self._announce([model.conversation_opened(conversation, caused_by=command.command_id)])
        first = model.first_message(command, conversation)
        return [first] if first else []

    def _opened(self, command: OpenConversation) -> Conversation:
        for _ in range(2):
            head = self._head(command)
            capture = self._capture(command) if head is None else head.conversation.capture
            conversation = model.opened(command, head, capture=capture, opened_at=self._clock())
            if head is not None:
                return conversation
            if self._conversations.open(conversation):
                self._heads[model.conversation_key(command)] = Head(conversation=conversation, last_seq=0)
                return conversation
            _fence_rejections.labels("conversation_id").inc()
        # The id is taken, a majority knows it, and not by a conversation of this customer.
        raise Refused("not-found")

    def _capture(self, command: OpenConversation) -> Capture:
        visit = self._visitors.visit(command.customer_id, command.visit_id, visitor_id=command.visitor_id)
        if visit is None:
            log.warning("conversation without a visit", conversation_id=command.conversation_id)
        return visit.capture() if visit else Capture()

    def _accept(self, command: AcceptConversation) -> None:
        for _ in range(2):
            head = self._head(command)
            conversation = model.accepted(command, head, accepted_at=self._clock())
            if self._keep(head, conversation, self._conversations.accept):
                self._announce([model.conversation_accepted(conversation, caused_by=command.command_id)])
                return
            self._give_way(command)
        raise Restart

    def _acknowledge(self, command: AcknowledgePolicy) -> None:
        for _ in range(2):
            head = self._head(command)
            conversation = model.acknowledged(command, head, acknowledged_at=self._clock())
            if self._keep(head, conversation, self._conversations.acknowledge):
                self._announce([model.policy_acknowledged(conversation, caused_by=command.command_id)])
                return
            self._give_way(command)
        raise Restart

    def _close(self, command: CloseConversation) -> None:
        for _ in range(2):
            head = self._head(command)
            if head is None or head.conversation.closed_by_command != command.command_id:
                head = self._end(command)
            conversation = self._closed(head)
            if self._keep(head, conversation, self._conversations.close):
                self._announce([model.conversation_closed(conversation, caused_by=command.command_id)])
                return
            self._give_way(command)
        raise Restart

    def _end(self, command: CloseConversation) -> Head:
        """Put the mark after the last message; from here on nobody can add another."""
        for _ in range(2):
            head = self._head(command)
            end = model.ended(command, head, closed_at=self._clock(), end_id=new_id())
            if head is not None and (end is head.end or self._conversations.end(end)):
                head.end = end
                return head
            self._give_way(command)
        raise Restart

    def _closed(self, head: Head) -> Conversation:
        if head.end is None or head.conversation.closed_at is not None:
            return head.conversation
        return model.closed(head.conversation, head.end, digest_of(self._whole_log(head.end)), self._trail(head))

    def _trail(self, head: Head) -> tuple[Page, ...]:
        """The pages of the visit as they are now: kept with the end, so that it is told the same again."""
        ended = head.conversation
        visit = self._visitors.visit(ended.customer_id, ended.visit_id, visitor_id=ended.visitor_id)
        return visit.trail() if visit else ()

    def _whole_log(self, end: End) -> Iterator[Message]:
        last_seq = 0
        for message in self._conversations.log(end.customer_id, end.conversation_id):
            if message.seq != last_seq + 1:
                raise LogIncomplete(end.conversation_id)
            last_seq = message.seq
            yield message
        if last_seq != end.seq - 1:
            raise LogIncomplete(end.conversation_id)

    def _drop_log(self, command: DropLog) -> None:
        self._heads.forget([model.conversation_key(command)])
        if not self._conversations.drop_log(command.customer_id, command.conversation_id, dropped_at=self._clock()):
            log.warning("log not dropped: conversation not closed", conversation_id=command.conversation_id)

    def _flag_minor(self, command: FlagMinor) -> None:
        """From here on nothing is taken down in this conversation; the saga sees to everything else of its visitor."""
        head = self._head(command)
        if head is None:
            raise Refused("not-found")
        conversation = head.conversation
        if conversation.erased_at is None:
            self._begin_erasure(command, conversation.visitor_id, reason="minor")
        self._announce([self._erased(command)])

    def _begin_erasure(self, command: ConversationCommand, visitor_id: str, *, reason: ErasureReason) -> None:
        conversation_id, erased_at = command.conversation_id, self._clock()
        erasure = self._visitors.begin_erasure(
            command.customer_id, visitor_id, reason=reason, now=erased_at, conversation_id=conversation_id
        )
        self._erase(command, erasure_id=erasure.erasure_id, look=erasure.look)
        # The saga tells it too, but later, and until then the token would open doors.
        gone = VisitorErased(customer_id=command.customer_id, visitor_id=visitor_id, reason=reason, erased_at=erased_at)
        self._answers.append(self._bus.publish(gone))

    def _erase_log(self, command: EraseLog) -> None:
        self._erase(command, erasure_id=command.erasure_id, look=command.look)
        self._announce([self._erased(command)])

    def _erase(self, command: ConversationCommand, *, erasure_id: str, look: int) -> None:
        self._heads.forget([model.conversation_key(command)])
        for _ in range(2):
            if self._conversations.erase(
                command.customer_id,
                command.conversation_id,
                erasure_id=erasure_id,
                look=look,
                erased_at=self._clock(),
            ):
                return
            _fence_rejections.labels("seq").inc()
        raise Restart

    def _erased(self, command: ConversationCommand) -> ConversationEvent:
        return model.conversation_erased(
            command.conversation_id, command.customer_id, caused_by=command.command_id, at=self._clock()
        )

    def _keep(self, head: Head | None, conversation: Conversation, store: Callable[[Conversation], bool]) -> bool:
        """Store what the conversation has become, if it has changed; False when another writer changed it before."""
        assert head is not None
        if conversation is not head.conversation and not store(conversation):
            return False
        head.conversation = conversation
        return True

    def _give_way(self, command: ConversationCommand) -> None:
        """Another writer was first: what is remembered of the conversation is outdated."""
        _fence_rejections.labels("state").inc()
        self._heads.forget([model.conversation_key(command)])

    def _head(self, command: ConversationCommand) -> Head | None:
        self._read_heads([command])
        return self._heads.get(model.conversation_key(command))

    def _read_heads(self, commands: Iterable[ConversationCommand]) -> None:
        keys = set(map(model.conversation_key, commands))
        unknown: dict[str, list[str]] = {}
        for customer_id, conversation_id in keys - self._heads.keys():
            unknown.setdefault(customer_id, []).append(conversation_id)
        for customer_id, conversation_ids in unknown.items():
            self._heads.update(self._conversations.heads(customer_id, conversation_ids))
        self._heads.touch(keys & self._heads.keys())

    def _announce(self, events: Sequence[ConversationEvent]) -> None:
        """Publish, without waiting."""
        self._answers.append(self._bus.publish_together(events))


def _count(deliveries: Sequence[Delivery]) -> None:
    for kind, count in Counter(type(delivery.payload) for delivery in deliveries).items():
        _commands.labels(kind.__name__).inc(count)


def partition_queues(count: int) -> tuple[WorkQueue, ...]:
    """One queue a partition, each with a single active consumer."""
    return tuple(
        WorkQueue(name=partition_queue(partition), single_active=True, key=partition_key(partition, count))
        for partition in range(count)
    )


def main() -> None:
    """Run the relay of its share of the partitions until told to stop."""
    stop = stop_when_told()
    context = bootstrap()
    refuse_while_repartitioning(context)
    with started_bus(context.settings) as bus:
        relay = Relay(
            conversations=context.conversations,
            visitors=context.visitors,
            bus=bus,
            most_messages=context.settings.messages_per_conversation,
        )
        consumer = _consumer(context.settings, relay)
        balance = Balance(
            relays=context.relays,
            consumer=consumer,
            partitions=context.settings.partitions,
            in_force=context.conversations.partitions,
            active=lambda: relay.active,
        )
        bind = context.settings.operations_bind
        operations.serve(SERVICE, bind, parts={"bus": bus, "partitions": consumer}, database=context.database)
        log.info("relay started", partitions=context.settings.partitions)
        with balance.kept(stop):
            consumer.run(stop)
    log.info("relay stopped")
    if balance.is_outdated:
        refuse_other_partitions(context)


def _consumer(settings: Settings, relay: Relay) -> BatchConsumer:
    return BatchConsumer(
        settings.amqp_url.get_secret_value(),
        service=SERVICE,
        queues=partition_queues(settings.partitions),
        payloads=COMMANDS,
        handle=relay.handle,
        on_channel=relay.begin,
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )
