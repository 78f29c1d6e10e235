"""Chat over HTTP: visits and visitors for the gateway, conversations for whoever takes part in them."""

from datetime import timedelta

from apiflask import APIBlueprint

from chassis import auth
from chassis.auth import Role
from chassis.clock import now
from contracts.disclosures import Scope, scope_of
from services.chat import actions, tickets
from services.chat.bootstrap import context
from services.chat.model import VisitorNotFound
from services.chat.schemas import (
    AdmissionsBody,
    AdmissionsReply,
    CaptureReply,
    ConsentBody,
    ConversationReply,
    ConversationsQuery,
    ConversationsReply,
    ConversationVisitReply,
    CookieReply,
    DisclosedQuery,
    DisclosedReply,
    DisclosedWordsReply,
    ErasedCountsQuery,
    ErasedCountsReply,
    ErasureBody,
    ErasureReply,
    IntrospectionBody,
    IntrospectionsBody,
    InvitationBody,
    InvitationReply,
    MessagesQuery,
    MessagesReply,
    OwnDataReply,
    PageReply,
    PartitionsReply,
    PresenceReply,
    VisitBody,
    VisitorsReply,
    VisitReply,
    WithdrawalBody,
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
    visit, token, is_known = actions.record_visit(
        auth.customer(), body.arrival(), visitors=context().visitors, now=now()
    )
    return VisitReply(
        visitor_id=visit.visitor_id,
        visit_id=visit.visit_id,
        visitor_token=token,
        page_count=visit.page_count,
        is_known=is_known,
    )


@blueprint.post("/cookie-consents")
@blueprint.input(ConsentBody, arg_name="body")
@blueprint.output(CookieReply, status_code=201)
@auth.require_role("public", "visitor")
def give_consent(body: ConsentBody) -> CookieReply:
    """A visitor agrees to a cookie; its secret is told this once."""
    secret, expires_at = actions.give_consent(
        auth.customer(),
        auth.caller().site_id or "",
        body.visitor_token,
        policy_version=body.policy_version,
        lasts=timedelta(days=body.lasts_days),
        visitors=context().visitors,
        now=now(),
    )
    return CookieReply(secret=secret, expires_at=expires_at)


@blueprint.post("/cookie-withdrawals")
@blueprint.input(WithdrawalBody, arg_name="body")
@blueprint.output({}, status_code=204)
@auth.require_role("public", "visitor")
def withdraw_consent(body: WithdrawalBody) -> str:
    """Whoever holds the cookie, or ends cookies altogether, ends this one."""
    actions.withdraw_consent(
        auth.customer(),
        body.secret,
        policy_version=body.policy_version,
        because=body.because,
        visitors=context().visitors,
        now=now(),
    )
    return ""


@blueprint.post("/invitations")
@blueprint.input(InvitationBody, arg_name="body")
@blueprint.output(InvitationReply)
@auth.require_role("visitor")
def invite(body: InvitationBody) -> InvitationReply:
    """Whether the visitor may be invited to talk; if so, they now are."""
    every = timedelta(hours=body.every_hours)
    is_due = actions.invite(auth.customer(), _visitor() or "", every=every, visitors=context().visitors, now=now())
    return InvitationReply(is_due=is_due)


@blueprint.post("/visitor-introspections")
@blueprint.input(IntrospectionsBody, arg_name="body")
@blueprint.output(VisitorsReply)
@auth.require_role("public", "service")
def introspect_visitors(body: IntrospectionsBody) -> VisitorsReply:
    """Whose these visitor tokens are. The tokens are the only thing asked for, so the customers come from them."""
    return VisitorsReply.of(actions.introspect(body.tokens, visitors=context().visitors))


@blueprint.post("/admissions")
@blueprint.input(AdmissionsBody, arg_name="body")
@blueprint.output(AdmissionsReply)
@auth.require_role("public", "service")
def admit(body: AdmissionsBody) -> AdmissionsReply:
    """Use up tickets, and tell how the conversations stand of those whom they admit: a ticket is its own credential."""
    found = context()
    admitted = tickets.admit(
        body.tickets,
        verifier=found.verifier,
        tickets=found.tickets,
        visitors=found.visitors,
        conversations=found.conversations,
        now=now(),
    )
    return AdmissionsReply.of(admitted)


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


@blueprint.get("/conversations/<conversation_id>/visit")
@blueprint.output(ConversationVisitReply)
@auth.require_role("owner", "admin", "operator", "analyst")
def show_visit(conversation_id: str) -> ConversationVisitReply:
    """What was captured of the conversation's visitor, and their trail so far. Once sealed, transcripts has it."""
    capture, trail = actions.show_visit(
        auth.customer(), conversation_id, conversations=context().conversations, visitors=context().visitors
    )
    return ConversationVisitReply(
        captured=CaptureReply.model_validate(capture), trail=[PageReply.model_validate(page) for page in trail]
    )


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


@blueprint.get("/erasures/<erasure_id>")
@blueprint.output(ErasureReply)
@auth.require_role("service")
def show_erasure(erasure_id: str) -> ErasureReply:
    """How an erasure of the customer stands, for whoever had it begun without a token."""
    return ErasureReply.of(actions.erasure(auth.customer(), erasure_id, visitors=context().visitors))


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
