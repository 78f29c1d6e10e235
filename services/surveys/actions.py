"""What surveys can do, whoever asks: a widget, an administrator or an event."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

import msgspec
import structlog

from chassis.ids import new_id
from contracts.chat import ConversationOpened
from contracts.surveys import Answer, AnswersErased, EraseAnswers, ResponseRecorded
from services.surveys.model import (
    UNATTACHED_LIFETIME,
    AlreadyAnswered,
    Opening,
    Placement,
    Question,
    Response,
    Survey,
    SurveyNotFound,
    VersionTaken,
    answers_to,
)
from services.surveys.store import SurveyStore

log = structlog.get_logger(__name__)

Discard = Callable[[Collection[str]], Mapping[str, int]]
"""Removes the dead letters about these conversations; how many they were, by conversation."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What a visitor sent in, not looked at yet."""

    customer_id: str
    site_id: str
    conversation_id: str
    placement: Placement
    answers: Mapping[str, object]


def current_survey(customer_id: str, site_id: str, placement: Placement, *, store: SurveyStore) -> Survey:
    survey = store.current(customer_id, site_id, placement)
    if survey is None:
        raise SurveyNotFound
    return survey


def publish_survey(
    customer_id: str,
    site_id: str,
    placement: Placement,
    questions: tuple[Question, ...],
    *,
    store: SurveyStore,
    now: datetime,
) -> Survey:
    """The next version with these questions; publishing what already stands changes nothing."""
    while True:
        current = store.current(customer_id, site_id, placement)
        if current and current.questions == questions:
            return current
        survey = Survey(
            survey_id=current.survey_id if current else new_id(),
            customer_id=customer_id,
            site_id=site_id,
            placement=placement,
            version=current.version + 1 if current else 1,
            questions=questions,
            published_at=now,
        )
        try:
            store.add_version(survey)
        except VersionTaken:
            continue
        log.info("survey published", survey_id=survey.survey_id, version=survey.version)
        return survey


def record_response(submission: Submission, *, store: SurveyStore, now: datetime) -> Response | None:
    """Keep the answers until their conversation opens, or for good if it is open; ``None`` if nothing was answered."""
    survey = store.current(submission.customer_id, submission.site_id, submission.placement)
    answers = answers_to(survey.questions if survey else (), submission.answers)
    if survey is None or not answers:
        return None
    given = _response(submission, survey, answers, now)
    response = store.add(given, announcing=_recorded, now=now)
    if response.answers != given.answers:
        raise AlreadyAnswered
    return response


def _response(submission: Submission, survey: Survey, answers: tuple[Answer, ...], now: datetime) -> Response:
    return Response(
        response_id=new_id(),
        customer_id=submission.customer_id,
        site_id=submission.site_id,
        conversation_id=submission.conversation_id,
        placement=submission.placement,
        survey_id=survey.survey_id,
        survey_version=survey.version,
        answers=answers,
        answered_at=now,
        expires_at=now + UNATTACHED_LIFETIME,
    )


def attach_responses(event: ConversationOpened, *, store: SurveyStore, clock: Callable[[], datetime]) -> None:
    """Delivered twice is delivered once: what is attached is not pending any more."""
    opening = Opening(customer_id=event.customer_id, conversation_id=event.conversation_id, site_id=event.site_id)
    for response in store.attach(opening, announcing=_recorded, now=clock()):
        log.info("response attached", response_id=response.response_id, conversation_id=response.conversation_id)


def erase_answers(
    command: EraseAnswers, *, store: SurveyStore, discard: Discard, clock: Callable[[], datetime]
) -> None:
    """Erase every answer of a conversation, and give a receipt."""
    erased_at = clock()
    number = discard([command.conversation_id]).get(command.conversation_id, 0)
    found = {"dead_letters": number} if number else {}

    def receipt(removed: dict[str, int]) -> AnswersErased:
        return AnswersErased(
            customer_id=command.customer_id,
            erasure_id=command.erasure_id,
            conversation_id=command.conversation_id,
            look=command.look,
            removed=found | removed,
            erased_at=erased_at,
        )

    store.erase(command.customer_id, command.conversation_id, now=erased_at, announcing=receipt)


def responses_in(customer_id: str, conversation_id: str, *, store: SurveyStore, now: datetime) -> list[Response]:
    """Those attached, and those that may yet be."""
    return store.responses_in(customer_id, conversation_id, now=now)


def _recorded(response: Response) -> ResponseRecorded:
    return ResponseRecorded(
        customer_id=response.customer_id,
        response_id=response.response_id,
        survey_id=response.survey_id,
        survey_version=response.survey_version,
        site_id=response.site_id,
        conversation_id=response.conversation_id,
        answers=response.answers,
        answered_at=response.answered_at,
    )
