"""What a visitor can ask of us about themselves: a copy of everything there is of them, and that it be erased."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apiflask import APIBlueprint

from chassis.auth import Caller
from chassis.clock import now
from chassis.http import RemoteProblem
from chassis.problems import Problem
from contracts.chat import ErasureReason
from services.gateway.bootstrap import Context, context
from services.gateway.clients import CONVERSATIONS_PAGE
from services.gateway.routes import access, remembering
from services.gateway.schemas.own_data import CopyOut, ErasureOut

blueprint = APIBlueprint("own_data", __name__, url_prefix="/api/v1/widget")

RESPONSES_PAGE = 200
MINOR: ErasureReason = "minor"
TOO_YOUNG = (
    "Thank you for telling us. This chat is for people who are 18 or older, so we cannot talk with you here. "
    "Nothing you told us is kept."
)


@blueprint.get("/copy")
@blueprint.output(CopyOut)
@blueprint.doc(security=access.VISITOR, responses={429: "Too many copies for one visitor."})
def copy_own_data() -> Any:
    """Everything there is of the visitor who asks: visits, conversations, answers, and what was captured."""
    here = context()
    caller, visitor = access.visitor()
    access.limit(here.limits.copies, visitor.customer_id, visitor.visitor_id)
    return copy_of(caller, here)


def copy_of(caller: Caller, here: Context) -> Any:
    """The same of a visitor who has proved to be it."""
    own = here.chat.own_data(caller)
    conversations = [_copied(caller, each, own["captures"], here) for each in _conversations(caller, here)]
    shown = {each["conversation_id"] for each in conversations}
    return {
        "made_at": now(),
        "visitor": own["visitor"],
        "visits": own["visits"],
        "consents": own["consents"],
        "conversations": conversations,
        "responses": [each for each in _responses(caller, here) if each["conversation_id"] not in shown],
    }


def _conversations(caller: Caller, here: Context) -> Iterator[Any]:
    after = None
    while True:
        page = here.chat.conversations(caller, after=after, limit=CONVERSATIONS_PAGE)
        yield from page["conversations"]
        after = page["next"]
        if after is None:
            return


def _responses(caller: Caller, here: Context) -> Iterator[Any]:
    after = None
    while True:
        page = here.surveys.own_responses(caller, after=after, limit=RESPONSES_PAGE)
        yield from page["responses"]
        after = page["next"]
        if after is None:
            return


def _copied(caller: Caller, conversation: Any, captures: Any, here: Context) -> Any:
    """One conversation with all that was said, answered and captured in it, wherever that is kept."""
    conversation_id = conversation["conversation_id"]
    kept = {name: conversation[name] for name in ("conversation_id", "status", "department", "opened_at", "closed_at")}
    if conversation["is_sealed"]:
        transcript = here.transcripts.transcript(caller, conversation_id)
        record = {name: transcript[name] for name in ("messages", "captured", "trail", "responses")}
        return kept | record | {"acknowledged_policy_version": transcript["acknowledged_policy_version"]}
    return kept | {
        "messages": list(_messages(caller, conversation_id, here)),
        "captured": captures.get(conversation_id),
        "responses": here.surveys.answers(caller.customer_id or "", conversation_id),
    }


def _messages(caller: Caller, conversation_id: str, here: Context) -> Iterator[Any]:
    after = 0
    while messages := here.history.after(caller, conversation_id, after).messages:
        yield from messages
        after = messages[-1].seq


@blueprint.post("/erasure")
@blueprint.output(ErasureOut, 202)
@blueprint.doc(security=access.VISITOR)
def ask_erasure() -> Any:
    """Erase everything there is of the visitor who asks. After it their token only shows how that stands."""
    here = context()
    begun = here.chat.erasure(access.presented_token()) if access.presented_token() else None
    if begun:
        return begun
    caller, visitor = access.visitor()
    remembering.delete_cookie_of(visitor.site_id, here)
    return here.chat.ask_erasure(caller, "asked")


@blueprint.get("/erasure")
@blueprint.output(ErasureOut)
@blueprint.doc(security=access.VISITOR, responses={404: "No erasure was asked for, or it was long ago."})
def show_erasure() -> Any:
    """How the erasure stands; when it is done, with a certificate that anybody can check."""
    token = access.presented_token()
    found = context().chat.erasure(token) if token else None
    if found is None:
        access.visitor()
        raise access.not_found()
    return found


@contextmanager
def erasing_minors(caller: Caller, here: Context) -> Iterator[None]:
    """Inside, answers are handed on that may tell that the visitor is under 18: then nothing of them is kept."""
    try:
        yield
    except RemoteProblem as problem:
        if problem.code != MINOR:
            raise
        # Before they are told: if we die here, they have no answer, and ask again.
        here.chat.ask_erasure(caller, MINOR)
        raise Problem(409, MINOR, TOO_YOUNG) from problem
