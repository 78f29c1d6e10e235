"""Sealed transcripts over HTTP, each request for one customer."""

from collections.abc import Sequence

from apiflask import APIBlueprint

from chassis import auth
from chassis.auth import Role
from services.transcripts import actions
from services.transcripts.bootstrap import context
from services.transcripts.model import Message, Transcript
from services.transcripts.schemas import (
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
    return messages_reply(*_shown(transcript_id), after=query.after, limit=query.limit)


def _shown(transcript_id: str) -> tuple[Transcript, Sequence[Message]]:
    caller, store = auth.caller(), context().store
    if caller.role == "visitor":
        return actions.show_own_transcript(auth.customer(), transcript_id, visitor_id=caller.subject, store=store)
    return actions.show_transcript(auth.customer(), transcript_id, store=store)
