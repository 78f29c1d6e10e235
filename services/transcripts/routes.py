"""Sealed transcripts over HTTP, each request for one customer."""

from collections.abc import Sequence

from apiflask import APIBlueprint

from chassis import auth
from chassis.auth import Role
from contracts.disclosures import Scope, scope_of
from services.transcripts import actions
from services.transcripts.actions import Take
from services.transcripts.bootstrap import context
from services.transcripts.model import Message, Transcript
from services.transcripts.schemas import (
    DisclosedQuery,
    DisclosedReply,
    MessagesQuery,
    MessagesReply,
    TranscriptReply,
    TranscriptsQuery,
    TranscriptsReply,
    cursor,
    messages_reply,
    place_of,
    summary,
    transcript_reply,
)

blueprint = APIBlueprint("transcripts", __name__, url_prefix="/internal/v1/transcripts")
disclosed = APIBlueprint("disclosed", __name__, url_prefix="/internal/v1/disclosed-transcripts")

OPERATORS: tuple[Role, ...] = ("owner", "admin", "operator", "analyst")


@blueprint.get("")
@blueprint.input(TranscriptsQuery, location="query", arg_name="query")
@blueprint.output(TranscriptsReply)
@auth.require_role(*OPERATORS)
def list_transcripts(query: TranscriptsQuery) -> TranscriptsReply:
    """The customer's transcripts, those that closed last first; with `q`, those in which all its words were said."""
    found, following = actions.find_transcripts(
        auth.customer(),
        text=query.q,
        since=query.since,
        until=query.until,
        after=place_of(query.after),
        limit=query.limit,
        store=context().store,
    )
    return TranscriptsReply(transcripts=[summary(transcript) for transcript in found], next=cursor(following))


@blueprint.get("/<transcript_id>")
@blueprint.output(TranscriptReply)
@auth.require_role(*OPERATORS, "visitor")
def show_transcript(transcript_id: str) -> TranscriptReply:
    """One transcript with all its words, wherever they are kept; a visitor gets their own."""
    return transcript_reply(*_shown(transcript_id))


@blueprint.get("/<transcript_id>/messages")
@blueprint.input(MessagesQuery, location="query", arg_name="query")
@blueprint.output(MessagesReply)
@auth.require_role(*OPERATORS, "visitor")
def show_messages(transcript_id: str, query: MessagesQuery) -> MessagesReply:
    """The words alone, in order; a visitor gets those of the conversation they took part in."""
    return messages_reply(*_shown(transcript_id, take=actions.page_of(query.after, query.limit)))


def _shown(transcript_id: str, *, take: Take = list) -> tuple[Transcript, Sequence[Message]]:
    customer_id, caller, store = auth.customer(), auth.caller(), context().store
    if caller.role == "visitor":
        return actions.show_own_transcript(
            customer_id, transcript_id, visitor_id=caller.subject, store=store, take=take
        )
    return actions.show_transcript(customer_id, transcript_id, store=store, take=take)


@disclosed.get("")
@disclosed.input(DisclosedQuery, location="query", arg_name="query")
@disclosed.output(DisclosedReply)
@auth.require_role("disclosure")
def list_disclosed(query: DisclosedQuery) -> DisclosedReply:
    """The ids of the transcripts that a disclosure may see."""
    found = context().store.disclosed_ids(auth.customer(), _scope(), after=query.after or "", limit=query.limit + 1)
    page = found[: query.limit]
    return DisclosedReply(transcript_ids=page, next=page[-1] if len(found) > len(page) else None)


@disclosed.get("/<transcript_id>")
@disclosed.output(TranscriptReply)
@auth.require_role("disclosure")
def show_disclosed(transcript_id: str) -> TranscriptReply:
    """A transcript that a disclosure may see, with everything there is of it."""
    return transcript_reply(
        *actions.show_disclosed_transcript(auth.customer(), transcript_id, scope=_scope(), store=context().store)
    )


def _scope() -> Scope:
    return scope_of(auth.caller().grant, by=auth.caller().service)
