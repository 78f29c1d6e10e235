"""What chat can do outside the partitions, whoever asks: visits, lists, history, and letting go of a sealed log."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from chassis.bus import Bus, Delivery
from chassis.ids import new_id
from contracts.chat import Capture, DropLog, ErasureReason, Page
from contracts.disclosures import Scope, is_within
from contracts.partitions import command_key
from contracts.transcripts import TranscriptSealed
from services.chat.consents import Consent, Withdrawal, new_secret, sealed, unsealed
from services.chat.model import (
    PRESENCE_LASTS,
    VISIT_PAUSE,
    Arrival,
    Conversation,
    ConversationIsErased,
    ConversationNotFound,
    ConversationView,
    Erasure,
    History,
    Message,
    OwnData,
    Place,
    Status,
    UnderAge,
    UnlikeTheLog,
    Visit,
    Visitor,
    VisitorNotFound,
    began,
    new_token,
    token_hash,
    visitor_name,
)
from services.chat.store import ConversationStore, PresenceStore, VisitorStore

log = structlog.get_logger(__name__)


def record_visit(
    customer_id: str, arrival: Arrival, *, visitors: VisitorStore, now: datetime
) -> tuple[Visit, str | None, bool]:
    """The visit; the token where the visitor did not bring it, as somebody new or with a cookie alone; and whether
    they are known.

    Of a token only the hash is kept. Raises ``UnderAge``.
    """
    visitor, token = _recognised(customer_id, arrival, visitors=visitors, now=now)
    if visitor is None:
        token = new_token()
        visitor = _new_visitor(customer_id, arrival, token, now=now)
        visitors.add_visitor(customer_id, visitor)
        visit = began(arrival, visitor, visit_id=new_id(), now=now)
        visitors.add_visit(customer_id, visit)
        return visit, token, False
    visit = _continued_or_added(customer_id, began(arrival, visitor, visit_id=new_id(), now=now), visitors=visitors)
    if visitors.is_erased(customer_id, visitor.visitor_id):
        # Erased since they were recognised. It may not have seen this visit, so that it goes here.
        visitors.forget_visits(customer_id, visitor.visitor_id)
        return record_visit(customer_id, arrival, visitors=visitors, now=now)
    return visit, token, True


def _continued_or_added(customer_id: str, visit: Visit, *, visitors: VisitorStore) -> Visit:
    current = visitors.continue_visit(customer_id, visit, seen_since=visit.seen_at - VISIT_PAUSE)
    if current is not None:
        return current
    visitors.add_visit(customer_id, visit)
    return visit


def _recognised(
    customer_id: str, arrival: Arrival, *, visitors: VisitorStore, now: datetime
) -> tuple[Visitor | None, str | None]:
    """Who comes, by their token or else by their cookie; and in the latter case the token, which they need."""
    if arrival.visitor_token is not None:
        visitor = visitors.visitor_by_token(token_hash(arrival.visitor_token))
        if visitor is None:
            _refuse_minor(arrival.visitor_token, visitors=visitors)
        if _is_of(visitor, customer_id, arrival.site_id):
            return visitor, None
    token = _token_behind(arrival.cookie_secret, visitors=visitors, now=now)
    visitor = visitors.visitor_by_token(token_hash(token)) if token else None
    return (visitor, token) if _is_of(visitor, customer_id, arrival.site_id) else (None, None)


def _is_of(visitor: Visitor | None, customer_id: str, site_id: str) -> bool:
    return visitor is not None and (visitor.customer_id, visitor.site_id) == (customer_id, site_id)


def _token_behind(secret: str | None, *, visitors: VisitorStore, now: datetime) -> str | None:
    consent = visitors.consent_by_secret(token_hash(secret), now=now) if secret else None
    return unsealed(consent.sealed_token, secret) if consent and secret else None


def _refuse_minor(token: str, *, visitors: VisitorStore) -> None:
    erasure = visitors.erasure_by_token(token_hash(token))
    if erasure is not None and erasure.reason == "minor":
        raise UnderAge


def _new_visitor(customer_id: str, arrival: Arrival, token: str, *, now: datetime) -> Visitor:
    visitor_id = new_id()
    return Visitor(
        customer_id=customer_id,
        visitor_id=visitor_id,
        site_id=arrival.site_id,
        name=visitor_name(visitor_id),
        token_hash=token_hash(token),
        created_at=now,
    )


def give_consent(
    customer_id: str,
    site_id: str,
    token: str,
    *,
    policy_version: str,
    lasts: timedelta,
    visitors: VisitorStore,
    now: datetime,
) -> tuple[str, datetime]:
    """A new cookie for the visitor who has this token: its secret, told this once, and until when it is good."""
    visitor = visitors.visitor_by_token(token_hash(token))
    if visitor is None or not _is_of(visitor, customer_id, site_id):
        raise VisitorNotFound
    secret = new_secret()
    consent = Consent(
        consent_id=new_id(),
        customer_id=customer_id,
        visitor_id=visitor.visitor_id,
        site_id=site_id,
        given_at=now,
        given_policy_version=policy_version,
        expires_at=now + lasts,
        secret_hash=token_hash(secret),
        sealed_token=sealed(token, secret),
    )
    visitors.add_consent(customer_id, consent)
    if visitors.is_erased(customer_id, visitor.visitor_id):
        # Erased since they were recognised. It may not have seen this consent, so that it goes here.
        visitors.forget_consents(customer_id, visitor.visitor_id)
        raise VisitorNotFound
    return secret, consent.expires_at


def withdraw_consent(
    customer_id: str, secret: str, *, policy_version: str, because: Withdrawal, visitors: VisitorStore, now: datetime
) -> None:
    """From now on the cookie is nobody's; to withdraw what is withdrawn changes nothing."""
    hashed = token_hash(secret)
    if visitors.withdraw(customer_id, hashed, now=now, policy_version=policy_version, because=because):
        log.info("cookie consent withdrawn", because=because)


def invite(customer_id: str, visitor_id: str, *, every: timedelta, visitors: VisitorStore, now: datetime) -> bool:
    """Whether the visitor may be invited to talk now, which then counts as done."""
    return visitors.invite(customer_id, visitor_id, now=now, not_since=now - every)


def introspect(tokens: Sequence[str], *, visitors: VisitorStore) -> list[tuple[Visitor, str] | None]:
    """Whose each of the tokens is, and the visit they are on; None for one that is nobody's."""
    hashes = [token_hash(token) for token in tokens]
    found = {visitor.token_hash: visitor for visitor in visitors.visitors_by_token(set(hashes))}
    visits: dict[str, str] = {}
    for customer_id, visitor_ids in _by_customer(found.values()).items():
        visits |= visitors.latest_visit_ids(customer_id, visitor_ids)
    return [
        (visitor, visits[visitor.visitor_id]) if (visitor := found.get(each)) and visitor.visitor_id in visits else None
        for each in hashes
    ]


def _by_customer(visitors: Iterable[Visitor]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for visitor in visitors:
        found.setdefault(visitor.customer_id, set()).add(visitor.visitor_id)
    return found


def list_conversations(
    customer_id: str,
    *,
    visitor_id: str | None,
    status: Status | None,
    after: Place | None,
    limit: int,
    conversations: ConversationStore,
) -> tuple[list[ConversationView], Place | None]:
    """A page of conversations, and where the next one begins. A ``visitor_id`` sees only their own."""
    found = conversations.conversations(customer_id, visitor_id=visitor_id, status=status, after=after, limit=limit + 1)
    page = found[:limit]
    following = Place(page[-1].opened_at, page[-1].conversation_id) if len(found) > limit else None
    return _views(customer_id, page, conversations=conversations), following


def _views(
    customer_id: str, page: Sequence[Conversation], *, conversations: ConversationStore
) -> list[ConversationView]:
    unsealed = [conversation.conversation_id for conversation in page if not conversation.is_sealed]
    last = conversations.last_messages(customer_id, unsealed)
    queue = _positions(customer_id, page, conversations=conversations)
    return [
        ConversationView(
            conversation=conversation,
            last_message=last.get(conversation.conversation_id),
            position=queue.get(conversation.conversation_id),
        )
        for conversation in page
    ]


def _positions(customer_id: str, page: Sequence[Conversation], *, conversations: ConversationStore) -> dict[str, int]:
    """The place in the queue of each that waits there. A visitor has one: no reason to read the whole queue."""
    match [conversation for conversation in page if conversation.status == "queued"]:
        case []:
            return {}
        case [only]:
            return {only.conversation_id: conversations.position(customer_id, only)}
    return conversations.queue(customer_id)


def show_conversation(
    customer_id: str, conversation_id: str, *, visitor_id: str | None, conversations: ConversationStore
) -> ConversationView:
    """One conversation as it stands."""
    conversation = conversations.conversation(customer_id, conversation_id)
    if conversation is None:
        raise ConversationNotFound
    _check_visible(conversation, visitor_id)
    last = {} if conversation.is_sealed else conversations.last_messages(customer_id, [conversation_id])
    position = conversations.position(customer_id, conversation) if conversation.status == "queued" else None
    return ConversationView(conversation=conversation, last_message=last.get(conversation_id), position=position)


def show_visit(
    customer_id: str, conversation_id: str, *, conversations: ConversationStore, visitors: VisitorStore
) -> tuple[Capture, tuple[Page, ...]]:
    """Of the visitor of a conversation that is not sealed: what was captured, and where they have been."""
    conversation = conversations.conversation(customer_id, conversation_id)
    if conversation is None or conversation.erased_at or conversation.is_sealed:
        raise ConversationNotFound
    if conversation.closed_at is not None:
        return conversation.capture, conversation.trail
    visit = visitors.visit(customer_id, conversation.visit_id, visitor_id=conversation.visitor_id)
    return conversation.capture, visit.trail() if visit else ()


def read_messages(
    customer_id: str,
    conversation_id: str,
    *,
    visitor_id: str | None,
    after: int,
    limit: int,
    conversations: ConversationStore,
) -> History:
    """What was said after ``after``; nothing once the log is dropped, as transcripts has it then."""
    # The messages first: a log that is dropped meanwhile shows as sealed, never as one with holes.
    messages = conversations.messages(customer_id, conversation_id, after=after, limit=limit)
    heads = conversations.heads(customer_id, [conversation_id])
    head = heads.get((customer_id, conversation_id))
    if head is None:
        raise ConversationNotFound
    _check_visible(head.conversation, visitor_id)
    return History(
        messages=() if head.conversation.is_sealed else tuple(messages),
        last_seq=head.last_seq,
        status=head.conversation.status,
        is_sealed=head.conversation.is_sealed,
    )


def read_disclosed(
    customer_id: str,
    conversation_id: str,
    *,
    scope: Scope,
    after: int,
    limit: int,
    conversations: ConversationStore,
) -> tuple[Conversation, Sequence[Message]]:
    """A page of what was said, for a disclosure. Beyond its scope, and of what transcripts has, there is nothing."""
    # As with every reading: the messages first, so that a dropped log shows as sealed, never as one with holes.
    messages = conversations.messages(customer_id, conversation_id, after=after, limit=limit)
    known = conversations.conversation(customer_id, conversation_id)
    if (
        known is None
        or known.is_sealed
        or known.erased_at
        or not is_within(scope, conversation_id=conversation_id, visitor_id=known.visitor_id, opened_at=known.opened_at)
    ):
        raise ConversationNotFound
    return known, messages


def note_presence(customer_id: str, session_id: str | None, *, presence: PresenceStore, now: datetime) -> None:
    """Somebody who can answer visitors has looked at the conversations."""
    if session_id:
        presence.note(customer_id, session_id, now=now)


def end_presence(customer_id: str, session_id: str | None, *, presence: PresenceStore) -> None:
    """They have left, as far as this session goes."""
    if session_id:
        presence.forget(customer_id, session_id)


def is_anybody_there(customer_id: str, *, presence: PresenceStore, now: datetime) -> bool:
    """Whether somebody who can answer has looked at the conversations lately."""
    return presence.is_anybody_there(customer_id, since=now - PRESENCE_LASTS)


def _check_visible(conversation: Conversation, visitor_id: str | None) -> None:
    # Of what is erased nobody knows any more whose it was.
    if conversation.erased_at:
        raise ConversationIsErased
    if visitor_id not in (None, conversation.visitor_id):
        raise ConversationNotFound


def ask_erasure(
    customer_id: str, visitor_id: str, *, reason: ErasureReason, visitors: VisitorStore, now: datetime
) -> Erasure:
    """Begin to erase everything there is of a visitor; who asks twice asked once."""
    erasure = visitors.begin_erasure(customer_id, visitor_id, reason=reason, now=now)
    log.info("erasure begun", erasure_id=erasure.erasure_id, reason=erasure.reason)
    return erasure


def find_erasure(token: str, *, visitors: VisitorStore) -> Erasure:
    """How the erasure stands of the visitor whose token this was."""
    erasure = visitors.erasure_by_token(token_hash(token))
    if erasure is None:
        raise VisitorNotFound
    return erasure


def erasure(customer_id: str, erasure_id: str, *, visitors: VisitorStore) -> Erasure:
    """How this erasure stands."""
    found = visitors.erasure(customer_id, erasure_id)
    if found is None:
        raise VisitorNotFound
    return found


def own_data(customer_id: str, visitor_id: str, *, visitors: VisitorStore, conversations: ConversationStore) -> OwnData:
    """What chat holds of a visitor, beside what was said."""
    visitor = visitors.visitor(customer_id, visitor_id)
    if visitor is None:
        raise VisitorNotFound
    return OwnData(
        visitor=visitor,
        visits=visitors.visits(customer_id, visitor_id),
        consents=visitors.consents(customer_id, visitor_id),
        captures=conversations.captures(customer_id, visitor_id),
    )


def drop_logs(deliveries: Sequence[Delivery], *, conversations: ConversationStore, bus: Bus, partitions: int) -> None:
    """Have the writers of the conversations drop their logs, where what was sealed is what was said.

    Raises ``UnlikeTheLog`` if one is not.
    """
    asked = [
        bus.send(command, queue=command_key(command.conversation_id, partitions), correlation_id=each.correlation_id)
        for each in deliveries
        if isinstance(each.payload, TranscriptSealed)
        if (command := _drop_command(each.payload, conversations=conversations))
    ]
    # While the number of partitions is being changed nobody takes them: they wait then, as without a broker.
    for answer in asked:
        answer.result()


def _drop_command(event: TranscriptSealed, *, conversations: ConversationStore) -> DropLog | None:
    conversation = conversations.conversation(event.customer_id, event.conversation_id)
    if conversation is None:
        raise UnlikeTheLog("a transcript of no conversation")
    if conversation.erased_at is not None:
        return None
    if (conversation.last_seq, conversation.digest) != (event.last_seq, event.digest):
        raise UnlikeTheLog("the transcript is not what was said")
    if conversation.is_sealed:
        return None
    return DropLog(
        customer_id=event.customer_id,
        command_id=f"drop-{event.conversation_id}",
        conversation_id=event.conversation_id,
    )
