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
    Draft,
    Given,
    MinorAnswered,
    Opening,
    Period,
    Place,
    Placement,
    Question,
    Report,
    Response,
    ServiceRatings,
    Survey,
    SurveyNotFound,
    VersionTaken,
    Which,
)
from services.surveys.rules import answers_to, tells_minor
from services.surveys.store import SurveyStore

log = structlog.get_logger(__name__)

Discard = Callable[[Collection[str]], Mapping[str, int]]
"""Removes the dead letters about these conversations; how many they were, by conversation."""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What a visitor sent in, not looked at yet.

    Without ``survey_version`` it answers the one in force. ``occasion_id`` is what can be answered once.
    """

    customer_id: str
    site_id: str
    placement: Placement
    occasion_id: str
    conversation_id: str | None
    visitor_id: str | None = None
    survey_version: int | None = None
    acknowledged_policy_version: str | None = None
    answers: Mapping[str, object]

    @property
    def which(self) -> Which:
        return Which(customer_id=self.customer_id, site_id=self.site_id, placement=self.placement)


def current_survey(which: Which, *, store: SurveyStore) -> Survey:
    """The version in force."""
    return _found(store.current(which))


def survey_version(which: Which, number: int, *, store: SurveyStore) -> Survey:
    """What was published under this number."""
    return _found(store.version(which, number))


def _found(survey: Survey | None) -> Survey:
    if survey is None:
        raise SurveyNotFound
    return survey


def survey_versions(which: Which, *, before: int | None, limit: int, store: SurveyStore) -> tuple[list[Survey], bool]:
    """A page of versions, the newest first, and whether there are earlier ones."""
    found = store.versions(which, before=before, limit=limit + 1)
    return found[:limit], len(found) > limit


def publish_survey(which: Which, questions: tuple[Question, ...], *, store: SurveyStore, now: datetime) -> Survey:
    """The next version with these questions, in place of any draft; publishing what already stands changes nothing."""
    survey = _published(which, questions, store=store, now=now)
    store.drop_draft(which)
    return survey


def _published(which: Which, questions: tuple[Question, ...], *, store: SurveyStore, now: datetime) -> Survey:
    while True:
        current = store.current(which)
        if current and current.questions == questions:
            return current
        survey = Survey(
            survey_id=current.survey_id if current else new_id(),
            customer_id=which.customer_id,
            site_id=which.site_id,
            placement=which.placement,
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


def survey_draft(which: Which, *, store: SurveyStore) -> Draft:
    """What is meant to become the next version."""
    draft = store.draft(which)
    if draft is None:
        raise SurveyNotFound
    return draft


def save_draft(which: Which, questions: tuple[Question, ...], *, store: SurveyStore, now: datetime) -> Draft:
    """Keep these questions for later; nobody is asked them."""
    draft = Draft(
        customer_id=which.customer_id,
        site_id=which.site_id,
        placement=which.placement,
        questions=questions,
        saved_at=now,
    )
    store.save_draft(draft)
    return draft


def drop_draft(which: Which, *, store: SurveyStore) -> None:
    """Forget the draft, if there is one."""
    store.drop_draft(which)


def record_response(submission: Submission, *, store: SurveyStore, now: datetime) -> Response | None:
    """Keep the answers, until their conversation opens or for good; ``None`` if nothing was answered.

    Raises ``MinorAnswered``, and keeps nothing, if an answer tells of an age under 18.
    """
    survey = _asked(submission, store=store)
    questions = survey.questions if survey else ()
    if tells_minor(questions, submission.answers, now):
        log.info("answers of a minor refused", placement=submission.placement)
        raise MinorAnswered
    answers = answers_to(questions, submission.answers, now)
    if survey is None or not answers:
        return None
    given = _response(submission, survey, answers, now)
    response = store.add(given, announcing=_recorded, now=now)
    if response.answers != given.answers:
        raise AlreadyAnswered
    return response


def _asked(submission: Submission, *, store: SurveyStore) -> Survey | None:
    if submission.survey_version is None:
        return store.current(submission.which)
    return _found(store.version(submission.which, submission.survey_version))


def _response(submission: Submission, survey: Survey, answers: tuple[Given, ...], now: datetime) -> Response:
    return Response(
        response_id=new_id(),
        customer_id=submission.customer_id,
        site_id=submission.site_id,
        placement=submission.placement,
        occasion_id=submission.occasion_id,
        conversation_id=submission.conversation_id,
        visitor_id=submission.visitor_id,
        survey_id=survey.survey_id,
        survey_version=survey.version,
        answers=answers,
        acknowledged_policy_version=submission.acknowledged_policy_version,
        answered_at=now,
        # Before a conversation it is not known yet whether there will be one.
        expires_at=now + UNATTACHED_LIFETIME if submission.placement == "pre-chat" else None,
    )


def attach_responses(event: ConversationOpened, *, store: SurveyStore, clock: Callable[[], datetime]) -> None:
    """Delivered twice is delivered once: what is attached is not pending any more."""
    opening = Opening(customer_id=event.customer_id, conversation_id=event.conversation_id, site_id=event.site_id)
    for response in store.attach(opening, announcing=_recorded, now=clock()):
        log.info("response attached", response_id=response.response_id, conversation_id=response.conversation_id)


def erase_answers(
    command: EraseAnswers, *, store: SurveyStore, dead_letters: Mapping[str, int], clock: Callable[[], datetime]
) -> None:
    """Erase every answer of a conversation, and give a receipt; how many dead letters of it went is known already."""
    erased_at = clock()
    number = dead_letters.get(command.conversation_id, 0)
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


def list_responses(
    which: Which, period: Period, *, after: Place | None, limit: int, store: SurveyStore
) -> tuple[list[Response], Place | None]:
    """A page of what was answered, the newest first, and where the next one begins."""
    return _page(store.responses(which, period, after=after, limit=limit + 1), limit)


def own_responses(
    customer_id: str, visitor_id: str, *, after: Place | None, limit: int, store: SurveyStore, now: datetime
) -> tuple[list[Response], Place | None]:
    """A page of all that a visitor has answered, the newest first, and where the next one begins."""
    return _page(store.responses_of(customer_id, visitor_id, after=after, limit=limit + 1, now=now), limit)


def _page(found: list[Response], limit: int) -> tuple[list[Response], Place | None]:
    page = found[:limit]
    following = (
        Place(answered_at=page[-1].answered_at, response_id=page[-1].response_id) if len(found) > limit else None
    )
    return page, following


def report(which: Which, period: Period, *, store: SurveyStore) -> Report:
    """What was answered, question by question; the questions that are asked now come first."""
    current = store.current(which)
    return store.report(which, period, asked=current.questions if current else ())


def service_ratings(*, store: SurveyStore) -> list[ServiceRatings]:
    """What visitors of all customers say about our service, for our staff."""
    return store.service_ratings()


def _recorded(response: Response) -> ResponseRecorded | None:
    """What others are told; of a response without a conversation there is nobody to tell."""
    if response.conversation_id is None:
        return None
    return ResponseRecorded(
        customer_id=response.customer_id,
        response_id=response.response_id,
        survey_id=response.survey_id,
        survey_version=response.survey_version,
        site_id=response.site_id,
        conversation_id=response.conversation_id,
        placement=response.placement,
        answers=tuple(
            Answer(question_id=given.question_id, label=given.label, kind=given.kind, value=given.value)
            for given in response.answers
        ),
        answered_at=response.answered_at,
    )
