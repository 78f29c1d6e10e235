"""What the HTTP bodies of transcripts look like."""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from chassis.web import Query, Reply
from contracts.chat import SenderKind
from services.transcripts.model import CursorNotValid, Message, Place, Storage, Transcript, acknowledgements

_rfc3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d.*")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]


def _rfc3339_only(value: object) -> object:
    if isinstance(value, str) and _rfc3339.fullmatch(value):
        return value
    raise ValueError("must be an RFC 3339 time with an offset")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be a time of this era") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339_only), AfterValidator(_in_utc)]


class TranscriptsQuery(Query):
    q: str | None = Field(default=None, max_length=200, description="Words that were all said, in any order")
    since: Moment | None = Field(default=None, alias="from", description="Closed at this time or later")
    until: Moment | None = Field(default=None, alias="to", description="Closed before this time")
    after: str | None = Field(default=None, max_length=400, description="The `next` of an earlier answer")
    limit: int = Field(default=50, ge=1, le=200)


class MessagesQuery(Query):
    after: int = Field(default=0, ge=0, le=2**62, description="The `seq` of the last message already known")
    limit: int = Field(default=200, ge=1, le=500)


class DisclosedQuery(Query):
    after: str | None = Field(default=None, max_length=64, description="The `next` of an earlier answer")
    limit: int = Field(default=200, ge=1, le=1000)


class DisclosedReply(Reply):
    """The ids of what a disclosure may see."""

    transcript_ids: list[str]
    next: str | None


class SenderReply(Reply):
    kind: SenderKind
    id: str
    name: str


class MessageReply(Reply):
    seq: int
    message_id: str
    client_id: str
    sender: SenderReply
    text: str
    sent_at: datetime


class MessagesReply(Reply):
    messages: list[MessageReply]
    last_seq: int
    status: str = "closed"


class TranscriptSummary(Reply):
    transcript_id: str
    site_id: str
    visitor_id: str
    visitor_name: str
    opened_at: datetime | None
    closed_at: datetime
    sealed_at: datetime
    message_count: int
    operators: list[str]
    storage: Storage


class TranscriptsReply(Reply):
    transcripts: list[TranscriptSummary]
    next: str | None


class PageReply(Reply):
    url: str
    title: str
    referrer: str


class TrailPageReply(Reply):
    url: str
    title: str
    seen_at: datetime | None


class CapturedReply(Reply):
    ip: str
    user_agent: str
    browser: str
    os: str
    device: str
    language: str
    page: PageReply | None


class AnswerReply(Reply):
    question_id: str
    label: str
    kind: str
    value: str


class ResponseReply(Reply):
    survey_id: str
    survey_version: int
    placement: str
    answers: list[AnswerReply]


class AcknowledgementReply(Reply):
    version: str
    acknowledged_at: datetime


class TranscriptReply(TranscriptSummary):
    messages: list[MessageReply]
    captured: CapturedReply
    trail: list[TrailPageReply]
    responses: list[ResponseReply]
    acknowledged_policy_version: str
    acknowledgements: list[AcknowledgementReply]
    digest: str
    last_seq: int


def summary(transcript: Transcript) -> TranscriptSummary:
    return TranscriptSummary(
        transcript_id=transcript.conversation_id,
        site_id=transcript.site_id,
        visitor_id=transcript.visitor_id,
        visitor_name=transcript.visitor_name,
        opened_at=transcript.opened_at,
        closed_at=transcript.closed_at,
        sealed_at=transcript.sealed_at,
        message_count=transcript.last_seq,
        operators=[operator.name for operator in transcript.operators],
        storage=transcript.storage,
    )


def transcript_reply(transcript: Transcript, messages: Sequence[Message]) -> TranscriptReply:
    responses = sorted(transcript.responses, key=lambda response: (response.answered_at, response.response_id))
    return TranscriptReply(
        **dict(summary(transcript)),
        messages=_replies(messages),
        captured=CapturedReply.model_validate(transcript.captured),
        trail=[TrailPageReply.model_validate(page) for page in transcript.trail],
        responses=[ResponseReply.model_validate(response) for response in responses],
        acknowledged_policy_version=transcript.acknowledged_policy_version,
        acknowledgements=[AcknowledgementReply.model_validate(each) for each in acknowledgements(transcript)],
        digest=transcript.digest,
        last_seq=transcript.last_seq,
    )


def messages_reply(transcript: Transcript, page: Sequence[Message]) -> MessagesReply:
    return MessagesReply(messages=_replies(page), last_seq=transcript.last_seq)


def _replies(messages: Sequence[Message]) -> list[MessageReply]:
    return [MessageReply.model_validate(message) for message in messages]


def cursor(place: Place | None) -> str | None:
    if place is None:
        return None
    milliseconds = (place.closed_at - _EPOCH) // timedelta(milliseconds=1)
    return base64.urlsafe_b64encode(msgspec.json.encode((milliseconds, place.conversation_id))).decode()


def place_of(text: str | None) -> Place | None:
    """The place a cursor stands for. Raises ``CursorNotValid``."""
    if text is None:
        return None
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        milliseconds, conversation_id = msgspec.json.decode(raw, type=tuple[_Milliseconds, str])
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise CursorNotValid from error
    return Place(closed_at=_EPOCH + timedelta(milliseconds=milliseconds), conversation_id=conversation_id)
