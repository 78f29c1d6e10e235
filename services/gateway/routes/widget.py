"""What a visitor can do. The site key is public; the visitor's token is the visitor's secret."""

from typing import Any

from apiflask import APIBlueprint
from flask import Response, request

from chassis.auth import Caller
from chassis.clock import now
from chassis.ids import new_id
from chassis.problems import Problem, Unavailable
from contracts.chat import AcknowledgePolicy, ConversationOpened, OpenConversation, PolicyAcknowledged
from services.gateway import cookies
from services.gateway.bootstrap import Context, context
from services.gateway.captures import captured
from services.gateway.clients import Policy, Site, Visitor
from services.gateway.routes import access, own_data, remembering, talking
from services.gateway.schemas.conversations import ChangedOut, ConversationOut, ConversationsOut, ConversationsQuery
from services.gateway.schemas.messages import HistoryOut, HistoryQuery, MessageIn, PostedOut
from services.gateway.schemas.sessions import TicketOut
from services.gateway.schemas.surveys import AnswersIn, OfflineIn, RecordedOut
from services.gateway.schemas.widget import (
    AcknowledgementIn,
    AcknowledgementOut,
    ConfigOut,
    ConversationIn,
    OpenedOut,
    SiteQuery,
    VisitIn,
    VisitOut,
)

NAME_LENGTH = 80
blueprint = APIBlueprint("widget", __name__, url_prefix="/api/v1/widget")

MESSAGES = "widget.messages"
CONVERSATION = "widget.conversation"

NOTICE = (
    "Whoever answers you here can read what you write, and a transcript is kept. Please share nothing that you would "
    "not want others to know. If you are under 18, please do not use this chat."
)


@blueprint.get("/config")
@blueprint.input(SiteQuery, location="query")
@blueprint.output(ConfigOut)
@blueprint.doc(responses={404: "No such site."})
def config(query_data: SiteQuery) -> dict[str, Any]:
    """What the widget of a site shows, and the policy in force."""
    here = context()
    site = remembering.site_named(query_data.site, here)
    caller = remembering.public(site)
    may_remember = remembering.may_remember(site)
    return {
        "site": {"site_key": site.site_key, "name": site.name},
        "online": _is_online(caller, here),
        "departments": site.departments,
        "texts": site.texts,
        "theme": site.theme,
        "surveys": {
            placement.replace("-", "_"): here.surveys.recent_survey(caller, site.site_id, placement)
            for placement in ("pre-chat", "post-chat", "offline")
        },
        "notice": NOTICE,
        "policy": _policy(here.policy.recent()),
        "cookies": {
            "enabled": may_remember,
            "is_set": may_remember and bool(remembering.presented_secret(site)),
            "lasts_days": cookies.VISITOR_LASTS.days,
        },
        "invitation": site.choices.invitation,
        "has_trail": site.choices.has_trail and site.choices.page_capture != "off",
    }


def _is_online(caller: Caller, here: Context) -> bool:
    try:
        return here.chat.is_online(caller)
    except Unavailable:
        # Not to know is no reason to turn anybody away.
        return True


def _policy(policy: Policy) -> dict[str, Any]:
    upcoming = policy.upcoming
    return {
        "version": policy.in_force.version,
        "effective_at": policy.in_force.effective_at,
        "text": policy.in_force.text,
        "upcoming": upcoming and {"version": upcoming.version, "effective_at": upcoming.effective_at},
    }


@blueprint.post("/visits")
@blueprint.input(VisitIn)
@blueprint.output(VisitOut, 201)
@blueprint.doc(
    responses={
        404: "No such site.",
        409: "The token is of a visitor who was found to be under 18.",
        429: "Too many visits from one address.",
    }
)
def begin_visit(json_data: VisitIn) -> Response:
    """Begin a visit, or go on with it on another page. Whoever brings a token, or the cookie they agreed to, is known.

    With ``cookies_consent`` the visitor gets that cookie, where the site wants one and no Global Privacy Control
    forbids it.
    """
    here = context()
    access.limit_address(here.limits.visits)
    site = remembering.site_named(json_data.site_key, here)
    token = access.presented_token()
    visit = here.chat.begin_visit(remembering.public(site), _visit(site, json_data, token))
    # Who brings nothing but a cookie that stands for nobody is somebody new.
    is_dead = not token and not visit.is_known
    token = visit.visitor_token or token
    is_agreed = json_data.cookies_consent and remembering.may_remember(site)
    if is_agreed:
        access.refuse_other_origins(is_silence_fine=False)
    cookie = remembering.consent(site, token, here) if is_agreed else None
    body = {
        "visitor_token": token,
        "visit_id": visit.visit_id,
        "page_count": visit.page_count,
        "has_cookie": cookie is not None,
    }
    return remembering.answer(body, site, cookie=cookie, is_dead=is_dead, here=here)


def _visit(site: Site, asked: VisitIn, token: str) -> dict[str, Any]:
    secret = remembering.usable_secret(site)
    return {
        "site_id": site.site_id,
        **captured(
            site.choices,
            address=access.address(),
            user_agent=access.user_agent(),
            language=request.headers.get("Accept-Language", ""),
            page={"url": asked.page.url, "title": asked.page.title, "referrer": asked.page.referrer},
        ),
        **({"visitor_token": token} if token else {}),
        **({"cookie_secret": secret} if secret else {}),
    }


@blueprint.post("/conversations")
@blueprint.input(ConversationIn)
@blueprint.output(OpenedOut, 201)
@blueprint.doc(
    security=access.VISITOR,
    responses={
        202: "Opening; `status_url` says where to look.",
        409: "The policy in force is not acknowledged, or an answer tells of an age under 18.",
    },
)
def open_conversation(json_data: ConversationIn) -> Any:
    """Open a conversation: 409 unless the policy in force is acknowledged, 422 for answers that do not fit."""
    here = context()
    caller, visitor = access.visitor()
    access.limit(here.limits.conversations, caller.customer_id or "", visitor.visitor_id)
    _check_acknowledged(json_data.acknowledged_policy_version, here)
    command = _opening(json_data, visitor, here)
    _record_answers(caller, command, json_data, here)
    return talking.answered(command, lambda event: _opened(caller, event, here), status_route=CONVERSATION, here=here)


def _check_acknowledged(version: str | None, here: Context) -> None:
    in_force = here.policy.version_in_force()
    if version != in_force:
        # A version may have taken effect since we asked last, and another gateway may have shown it.
        in_force = here.policy.refresh().in_force.version
    if version != in_force:
        detail = "The privacy policy in force has to be acknowledged first."
        raise Problem(409, "policy-not-acknowledged", detail, policy_version=in_force)


def _opening(asked: ConversationIn, visitor: Visitor, here: Context) -> OpenConversation:
    return OpenConversation(
        command_id=new_id(),
        customer_id=visitor.customer_id,
        conversation_id=here.openings.new_id(visitor.visitor_id),
        site_id=visitor.site_id,
        visitor_id=visitor.visitor_id,
        visit_id=visitor.visit_id,
        visitor_name=_name_given(asked.answers) or visitor.name,
        department=asked.department,
        acknowledged_policy_version=asked.acknowledged_policy_version or "",
        text=asked.text,
        sent_at=now(),
    )


def _name_given(answers: dict[str, Any] | None) -> str:
    """What the visitor wants to be called: its answer to the question ``name``, where the survey asks it."""
    name = (answers or {}).get("name")
    return " ".join(name.split())[:NAME_LENGTH] if isinstance(name, str) else ""


def _record_answers(caller: Caller, command: OpenConversation, asked: ConversationIn, here: Context) -> None:
    """Hand the answers to surveys, who knows whether they fit; no answers may not fit either."""
    if asked.answers or here.surveys.recent_survey(caller, command.site_id, "pre-chat"):
        _record(caller, command.site_id, "pre-chat", command.conversation_id, asked, here)


def _record(
    caller: Caller,
    site_id: str,
    placement: str,
    conversation_id: str,
    asked: ConversationIn | AnswersIn,
    here: Context,
) -> Any:
    body = {
        "site_id": site_id,
        "placement": placement,
        "occasion_id": conversation_id,
        "conversation_id": conversation_id,
        "survey_version": asked.survey_version,
        "answers": asked.answers or {},
    }
    with own_data.erasing_minors(caller, here):
        return here.surveys.record(caller, body)


def _opened(caller: Caller, event: ConversationOpened, here: Context) -> Any:
    state = here.chat.state(caller, event.conversation_id)
    return {
        "conversation_id": event.conversation_id,
        "status": state.status if state else "queued",
        "position": state.position if state else None,
    }, 201


@blueprint.get("/conversations")
@blueprint.input(ConversationsQuery, location="query")
@blueprint.output(ConversationsOut)
@blueprint.doc(security=access.VISITOR)
def list_conversations(query_data: ConversationsQuery) -> Any:
    """The visitor's own conversations."""
    caller, _ = access.visitor()
    return context().chat.conversations(
        caller, status=query_data.status, after=query_data.after, limit=query_data.limit
    )


@blueprint.get("/conversations/<opaque:conversation_id>", endpoint="conversation")
@blueprint.output(ConversationOut)
@blueprint.doc(security=access.VISITOR, responses={404: "No such conversation, or not this visitor's."})
def show_conversation(conversation_id: str) -> Any:
    """How one of the visitor's conversations stands."""
    caller, _ = access.visitor()
    return context().chat.conversation(caller, conversation_id)


@blueprint.post("/conversations/<opaque:conversation_id>/messages")
@blueprint.input(MessageIn)
@blueprint.output(PostedOut, 201)
@blueprint.doc(
    security=access.VISITOR,
    responses={
        404: "No such conversation, or not this visitor's.",
        409: "The conversation is closed or full, or the policy in force is not acknowledged.",
    },
)
def post_message(conversation_id: str, json_data: MessageIn) -> Any:
    """Say something. Saying it again under the same ``client_id`` says it once and gives the same answer."""
    caller, _ = access.visitor()
    return talking.post_message(caller, conversation_id, json_data, status_route=MESSAGES, here=context())


@blueprint.post("/conversations/<opaque:conversation_id>/acknowledgements")
@blueprint.input(AcknowledgementIn)
@blueprint.output(AcknowledgementOut, 201)
@blueprint.doc(
    security=access.VISITOR,
    responses={
        404: "No such conversation, or not this visitor's.",
        409: "That is not the version in force, or the conversation is closed.",
    },
)
def acknowledge_policy(conversation_id: str, json_data: AcknowledgementIn) -> Any:
    """Acknowledge the policy in force, when another took effect since the conversation was opened."""
    here = context()
    caller, visitor = access.visitor()
    access.limit(here.limits.conversations, caller.customer_id or "", visitor.visitor_id)
    # Whose conversation it is comes first: of another's not even the policy is told.
    here.chat.conversation(caller, conversation_id)
    _check_acknowledged(json_data.policy_version, here)
    command = AcknowledgePolicy(
        command_id=new_id(),
        customer_id=visitor.customer_id,
        conversation_id=conversation_id,
        visitor_id=visitor.visitor_id,
        version=json_data.policy_version,
    )
    return talking.answered(command, _acknowledged, status_route=CONVERSATION, here=here)


def _acknowledged(event: PolicyAcknowledged) -> Any:
    return {
        "conversation_id": event.conversation_id,
        "policy_version": event.version,
        "acknowledged_at": event.acknowledged_at,
    }, 201


@blueprint.get("/conversations/<opaque:conversation_id>/messages", endpoint="messages")
@blueprint.input(HistoryQuery, location="query")
@blueprint.output(HistoryOut)
@blueprint.doc(security=access.VISITOR, responses={404: "No such conversation, or not this visitor's."})
def list_messages(conversation_id: str, query_data: HistoryQuery) -> Any:
    """What was said after ``after``; if nothing yet, waits up to ``wait`` seconds for news."""
    caller, _ = access.visitor()
    return talking.history(caller, conversation_id, query_data, here=context())


@blueprint.post("/conversations/<opaque:conversation_id>/close")
@blueprint.output(ChangedOut)
@blueprint.doc(
    security=access.VISITOR,
    responses={404: "No such conversation, or not this visitor's.", 409: "The conversation is closed."},
)
def close_conversation(conversation_id: str) -> Any:
    """End the conversation."""
    caller, _ = access.visitor()
    return talking.close(caller, conversation_id, status_route=CONVERSATION, here=context())


@blueprint.post("/conversations/<opaque:conversation_id>/responses")
@blueprint.input(AnswersIn)
@blueprint.output(RecordedOut, 201)
@blueprint.doc(
    security=access.VISITOR,
    responses={
        204: "Nothing was answered.",
        404: "No such conversation, or not this visitor's.",
        409: "The conversation is not closed, was answered otherwise, or an answer tells of an age under 18.",
    },
)
def answer_afterwards(conversation_id: str, json_data: AnswersIn) -> Any:
    """Answer what the site asks after a conversation. The same answers again change nothing."""
    here = context()
    caller, visitor = access.visitor()
    conversation = here.chat.conversation(caller, conversation_id)
    access.limit(here.limits.conversations, visitor.customer_id, visitor.visitor_id)
    if conversation["status"] != "closed":
        raise Problem(409, "not-closed", "The conversation is not over yet.")
    recorded = _record(caller, conversation["site_id"], "post-chat", conversation_id, json_data, here)
    return recorded or Response(status=204)


@blueprint.post("/offline-responses")
@blueprint.input(OfflineIn)
@blueprint.output(RecordedOut, 201)
@blueprint.doc(
    security=access.VISITOR,
    responses={
        204: "Nothing was answered.",
        409: "The policy in force is not acknowledged, or an answer tells of an age under 18.",
    },
)
def answer_offline(json_data: OfflineIn) -> Any:
    """Leave answers while nobody is there to talk. The same ``client_id`` again is the same response."""
    here = context()
    caller, visitor = access.visitor()
    access.limit(here.limits.conversations, visitor.customer_id, visitor.visitor_id)
    _check_acknowledged(json_data.acknowledged_policy_version, here)
    body = {
        "site_id": visitor.site_id,
        "placement": "offline",
        "occasion_id": f"{visitor.visitor_id}.{json_data.client_id}",
        "survey_version": json_data.survey_version,
        "acknowledged_policy_version": json_data.acknowledged_policy_version,
        "answers": json_data.answers,
    }
    with own_data.erasing_minors(caller, here):
        return here.surveys.record(caller, body) or Response(status=204)


@blueprint.post("/tickets")
@blueprint.output(TicketOut, 201)
@blueprint.doc(security=access.VISITOR)
def issue_ticket() -> Any:
    """A ticket for one socket, good for a minute."""
    here = context()
    caller, visitor = access.visitor()
    access.limit(here.limits.tickets, visitor.customer_id, visitor.visitor_id)
    return here.tickets.issue(caller)
