"""What a visitor can ask of us about themselves: a copy of everything there is of them, and that it be erased."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import gevent
from apiflask import APIBlueprint
from flask import Response

from chassis.auth import Caller
from chassis.clock import now
from chassis.http import RemoteProblem
from chassis.problems import Problem, Unavailable
from contracts.chat import ErasureReason
from services.gateway.bootstrap import Context, context
from services.gateway.clients import CONVERSATIONS_PAGE
from services.gateway.routes import access, remembering
from services.gateway.schemas.own_data import CopyHeadOut, CopyOut, ErasureOut, OwnConversationOut
from services.gateway.schemas.surveys import SurveyResponseOut

blueprint = APIBlueprint("own_data", __name__, url_prefix="/api/v1/widget")

RESPONSES_PAGE = 200
COPIES_AT_ONCE = 4
"""In one process: of each copy a whole conversation may be in memory."""
COPY_SECONDS = 300.0
LATER = {"Retry-After": "10"}
_making: set[str] = set()
"""Of whom copies are being made."""

MINOR: ErasureReason = "minor"
TOO_YOUNG = (
    "Thank you for telling us. This chat is for people who are 18 or older, so we cannot talk with you here. "
    "Nothing you told us is kept."
)


class CopyTooSlow(Unavailable):
    """Whoever asked for a copy took too long to read it."""


@blueprint.get("/copy")
@blueprint.output(CopyOut)
@blueprint.doc(
    security=access.VISITOR,
    responses={
        429: "Too many copies for one visitor, or another is being made for them.",
        503: "Copies are being made for several others.",
    },
)
def copy_own_data() -> Any:
    """Everything there is of the visitor who asks: visits, conversations, answers, and what was captured.

    It comes piece by piece. Should something go wrong on the way, the answer is cut off: no end of the document comes.
    """
    here = context()
    caller, visitor = access.visitor()
    access.limit(here.limits.copies, visitor.customer_id, visitor.visitor_id)
    return copy_answer(f"{visitor.customer_id}/{visitor.visitor_id}", copy_of(caller, here))


def copy_answer(whose: str, pieces: Iterator[str], *, seconds: float = COPY_SECONDS) -> Response:
    """The pieces of a copy as an answer; one at a time for ``whose``, and a few at a time for all."""
    with ExitStack() as leaving:
        leaving.enter_context(_place(whose, seconds))
        # What goes wrong before the first piece is there can still be told with a status of its own.
        first = next(pieces)
        place = leaving.pop_all()
    response = Response(_body(first, pieces, place), mimetype="application/json")
    # Nobody may ever begin to read the body, and then it does not end either.
    response.call_on_close(place.close)
    return response


def _body(first: str, pieces: Iterator[str], place: ExitStack) -> Iterator[str]:
    with place:
        yield first
        yield from pieces


@contextmanager
def _place(whose: str, seconds: float) -> Iterator[None]:
    if whose in _making:
        raise Problem(429, "too-fast", "A copy is being made already.", headers=LATER)
    if len(_making) >= COPIES_AT_ONCE:
        raise Problem(503, "unavailable", "Please try again in a moment.", headers=LATER)
    _making.add(whose)
    try:
        # Or a few who read nothing of what they asked for would keep everybody else from a copy.
        with gevent.Timeout(seconds, CopyTooSlow):
            yield
    finally:
        _making.discard(whose)


def copy_of(caller: Caller, here: Context, *, indent: int | None = None) -> Iterator[str]:
    """The same of a visitor who has proved to be it, as the text of a JSON document: one conversation at a time.

    Nothing is told before it is known that there is such a visitor. Without its last piece it is no document.
    """
    own = here.chat.own_data(caller)
    head = CopyHeadOut.model_validate({"made_at": now()} | own).model_dump_json(indent=indent)
    yield f'{head.removesuffix("}").rstrip()},"conversations":['
    shown: set[str] = set()
    for conversation in _conversations(caller, here):
        copied = _copied(caller, conversation, own["captures"], here)
        separator = "," if shown else ""
        shown.add(conversation["conversation_id"])
        yield separator + OwnConversationOut.model_validate(copied).model_dump_json(indent=indent)
    yield '],"responses":['
    separator = ""
    for response in _responses(caller, here):
        if response["conversation_id"] not in shown:
            yield separator + SurveyResponseOut.model_validate(response).model_dump_json(indent=indent)
            separator = ","
    yield "]}"


def _conversations(caller: Caller, here: Context) -> Iterator[Any]:
    for page in _pages(partial(here.chat.conversations, caller, limit=CONVERSATIONS_PAGE)):
        yield from page["conversations"]


def _responses(caller: Caller, here: Context) -> Iterator[Any]:
    for page in _pages(partial(here.surveys.own_responses, caller, limit=RESPONSES_PAGE)):
        yield from page["responses"]


def _pages(ask: Callable[..., Any]) -> Iterator[Any]:
    page = ask(after=None)
    yield page
    while page["next"] is not None:
        page = ask(after=page["next"])
        yield page


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
