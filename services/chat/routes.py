"""Chat over HTTP: visits and visitors for the gateway, conversations for whoever takes part in them."""

from apiflask import APIBlueprint

from chassis import auth
from chassis.auth import Role
from chassis.clock import now
from contracts.disclosures import Scope, scope_of
from services.chat import actions
from services.chat.bootstrap import context
from services.chat.model import VisitorNotFound
from services.chat.schemas import (
    ConversationReply,
    ConversationsQuery,
    ConversationsReply,
    DisclosedQuery,
    DisclosedReply,
    DisclosedWordsReply,
    ErasedCountsQuery,
    ErasedCountsReply,
    ErasureBody,
    ErasureReply,
    IntrospectionBody,
    MessagesQuery,
    MessagesReply,
    OwnDataReply,
    PartitionsReply,
    PresenceReply,
    VisitBody,
    VisitorReply,
    VisitReply,
    cursor,
    place_of,
)

blueprint = APIBlueprint("chat", __name__, url_prefix="/internal/v1")

SPEAKERS: tuple[Role, ...] = ("owner", "admin", "operator")
READERS: tuple[Role, ...] = ("visitor", "owner", "admin", "operator", "analyst", "service")


@blueprint.post("/visits")
@blueprint.input(VisitBody, arg_name="body")
@blueprint.output(VisitReply, status_code=201)
@auth.require_role("public", "visitor")
def record_visit(body: VisitBody) -> VisitReply:
    """A visitor loads a page of a site: who they are to us from now on."""
    visit, token = actions.record_visit(auth.customer(), body.arrival(), visitors=context().visitors, now=now())
    return VisitReply(visitor_id=visit.visitor_id, visit_id=visit.visit_id, visitor_token=token)


@blueprint.post("/visitor-introspections")
@blueprint.input(IntrospectionBody, arg_name="body")
@blueprint.output(VisitorReply)
@auth.require_role("public", "service")
def introspect_visitor(body: IntrospectionBody) -> VisitorReply:
    """Whose visitor token this is. The token is the only thing asked for, so the customer comes from it."""
    visitor, visit_id = actions.introspect(body.token, visitors=context().visitors)
    return VisitorReply(
        visitor_id=visitor.visitor_id,
        visit_id=visit_id,
        customer_id=visitor.customer_id,
        site_id=visitor.site_id,
        name=visitor.name,
    )


@blueprint.get("/partitions")
@blueprint.output(PartitionsReply)
@auth.require_role("public", "service")
def show_partitions() -> PartitionsReply:
    """The number of partitions in force, which a publisher of commands has to go by."""
    found = context()
    return PartitionsReply(count=found.conversations.partitions_in_force(found.settings.partitions))


@blueprint.get("/conversations")
@blueprint.input(ConversationsQuery, location="query", arg_name="query")
@blueprint.output(ConversationsReply)
@auth.require_role(*READERS)
def list_conversations(query: ConversationsQuery) -> ConversationsReply:
    """The customer's conversations, or a visitor's own: in the queue the oldest first, elsewhere the newest.

    Who can answer visitors and looks here is there for them.
    """
    caller = auth.caller()
    if caller.role in SPEAKERS:
        actions.note_presence(auth.customer(), caller.session_id, presence=context().presence, now=now())
    views, following = actions.list_conversations(
        auth.customer(),
        visitor_id=_visitor(),
        status=query.status,
        after=place_of(query.after) if query.after else None,
        limit=query.limit,
        conversations=context().conversations,
    )
    return ConversationsReply(conversations=[ConversationReply.of(view) for view in views], next=cursor(following))


@blueprint.get("/conversations/<conversation_id>")
@blueprint.output(ConversationReply)
@auth.require_role(*READERS)
def show_conversation(conversation_id: str) -> ConversationReply:
    """One conversation as it stands."""
    view = actions.show_conversation(
        auth.customer(), conversation_id, visitor_id=_visitor(), conversations=context().conversations
    )
    return ConversationReply.of(view)


@blueprint.get("/conversations/<conversation_id>/messages")
@blueprint.input(MessagesQuery, location="query", arg_name="query")
@blueprint.output(MessagesReply)
@auth.require_role(*READERS)
def read_messages(conversation_id: str, query: MessagesQuery) -> MessagesReply:
    """What was said after ``after``, in order. Empty once sealed: then transcripts has it."""
    history = actions.read_messages(
        auth.customer(),
        conversation_id,
        visitor_id=_visitor(),
        after=query.after,
        limit=query.limit,
        conversations=context().conversations,
    )
    return MessagesReply.of(history)


@blueprint.get("/presence")
@blueprint.output(PresenceReply)
def presence() -> PresenceReply:
    """Whether somebody is there to answer the customer's visitors."""
    is_online = actions.is_anybody_there(auth.customer(), presence=context().presence, now=now())
    return PresenceReply(is_online=is_online)


@blueprint.delete("/presence")
@blueprint.output({}, status_code=204)
@auth.require_role(*READERS)
def end_presence() -> str:
    """The caller leaves, as far as their session goes."""
    actions.end_presence(auth.customer(), auth.caller().session_id, presence=context().presence)
    return ""


@blueprint.get("/own-data")
@blueprint.output(OwnDataReply)
@auth.require_role("visitor")
def show_own_data() -> OwnDataReply:
    """What chat holds of the visitor who asks, beside what was said."""
    data = actions.own_data(
        auth.customer(), _visitor() or "", visitors=context().visitors, conversations=context().conversations
    )
    return OwnDataReply.of(data)


@blueprint.post("/erasures")
@blueprint.input(ErasureBody, arg_name="body")
@blueprint.output(ErasureReply, status_code=202)
@auth.require_role("visitor")
def ask_erasure(body: ErasureBody) -> ErasureReply:
    """Begin to erase everything there is of the visitor who asks."""
    caller = auth.caller()
    if not caller.subject:
        raise VisitorNotFound
    erasure = actions.ask_erasure(
        auth.customer(), caller.subject, reason=body.reason, visitors=context().visitors, now=now()
    )
    return ErasureReply.of(erasure)


@blueprint.post("/erasure-introspections")
@blueprint.input(IntrospectionBody, arg_name="body")
@blueprint.output(ErasureReply)
@auth.require_role("public", "service")
def introspect_erasure(body: IntrospectionBody) -> ErasureReply:
    """How the erasure stands of the visitor whose token this was; the token is the only thing asked for."""
    return ErasureReply.of(actions.find_erasure(body.token, visitors=context().visitors))


@blueprint.get("/erased-counts")
@blueprint.input(ErasedCountsQuery, location="query", arg_name="query")
@blueprint.output(ErasedCountsReply)
@auth.require_role("owner", "admin", "operator", "analyst")
def list_erased_counts(query: ErasedCountsQuery) -> ErasedCountsReply:
    """How many visitors and conversations were erased, day by day, the latest first."""
    counts = context().erasures.counts(auth.customer(), before=query.before, limit=query.limit)
    return ErasedCountsReply.of(counts)


@blueprint.get("/disclosed-conversations")
@blueprint.input(DisclosedQuery, location="query", arg_name="query")
@blueprint.output(DisclosedReply)
@auth.require_role("disclosure")
def list_disclosed(query: DisclosedQuery) -> DisclosedReply:
    """The ids of the conversations that a disclosure may see and that are not sealed."""
    found = context().conversations.disclosed_ids(
        auth.customer(), _scope(), after=query.after or "", limit=query.limit + 1
    )
    page = found[: query.limit]
    return DisclosedReply(conversation_ids=page, next=page[-1] if len(found) > len(page) else None)


@blueprint.get("/disclosed-conversations/<conversation_id>")
@blueprint.input(MessagesQuery, location="query", arg_name="query")
@blueprint.output(DisclosedWordsReply)
@auth.require_role("disclosure")
def show_disclosed(conversation_id: str, query: MessagesQuery) -> DisclosedWordsReply:
    """What was said after ``after`` in a conversation that a disclosure may see; none, once it is sealed."""
    conversation, messages = actions.read_disclosed(
        auth.customer(),
        conversation_id,
        scope=_scope(),
        after=query.after,
        limit=query.limit,
        conversations=context().conversations,
    )
    return DisclosedWordsReply.of(conversation, messages)


def _scope() -> Scope:
    return scope_of(auth.caller().grant, by=auth.caller().service)


def _visitor() -> str | None:
    """The visitor to whose own conversations the request is confined; None for those who work for the customer."""
    caller = auth.caller()
    if caller.role != "visitor":
        return None
    # A visitor's token without a visitor is nobody's: it must find nothing, not everything.
    return caller.subject or ""
