from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest
from msgspec.structs import replace

from chassis.mongo import StoreUnavailable
from chassis.testing import as_delivered
from contracts.surveys import ResponseRecorded
from services.surveys import actions
from services.surveys.bootstrap import Context
from services.surveys.model import AlreadyAnswered, AnswersInvalid, Survey, SurveyNotFound
from tests.surveys.builders import NOON, QUESTIONS, SITE, a_question, a_submission, an_opening_event

WITHIN = NOON + timedelta(minutes=59)
TOO_LATE = NOON + timedelta(minutes=61)


@pytest.fixture
def store(context: Context):
    return context.store


@pytest.fixture
def survey(store):
    return publish(store)


def publish(store, questions=QUESTIONS, **which):
    return actions.publish_survey(replace(SITE, **which), questions, store=store, now=NOON)


def hear(store, now=NOON, **fields):
    actions.attach_responses(as_delivered(an_opening_event(**fields)), store=store, clock=lambda: now)


def record(store, now=NOON, **fields):
    return actions.record_response(a_submission(**fields), store=store, now=now)


def kept(store, now=NOON, customer_id="customer-1"):
    return actions.responses_in(customer_id, "conversation-1", store=store, now=now)


def at_once(*acts: Callable[[], object]) -> None:
    """Do all of these in threads of their own, and again where the database did not answer, as real callers would."""
    ready = Barrier(len(acts))

    def together(act: Callable[[], object]) -> None:
        ready.wait()
        while True:
            try:
                act()
            except StoreUnavailable:
                continue
            return

    with ThreadPoolExecutor(len(acts)) as threads:
        for done in [threads.submit(together, act) for act in acts]:
            done.result()


def announced(context: Context) -> list[str]:
    return [row["type"] for row in context.database["outbox"].find()]


def test_a_change_is_a_new_version_of_the_same_survey_and_the_old_one_stays(store, context):
    first = publish(store)
    second = publish(store, (a_question(),))

    assert (second.survey_id, first.version, second.version) == (first.survey_id, 1, 2)
    assert actions.current_survey(SITE, store=store) == second
    assert context.database["versions"].count_documents({"_id.version": 1, "_id.questions.question_id": "email"}) == 1


def test_publishing_what_already_stands_changes_nothing(store):
    assert publish(store) == publish(store)


def test_those_who_publish_at_once_get_a_version_each(store):
    def publish_one(number: int) -> Survey:
        return publish(store, (a_question(label=f"Question {number}"),))

    at_once(*(partial(publish_one, number) for number in range(4)))

    assert actions.current_survey(SITE, store=store).version == 4


@pytest.mark.parametrize(("customer_id", "site_id"), [("customer-2", "site-1"), ("customer-1", "site-2")])
def test_a_survey_belongs_to_one_site_of_one_customer(store, survey, customer_id, site_id):
    with pytest.raises(SurveyNotFound):
        actions.current_survey(replace(SITE, customer_id=customer_id, site_id=site_id), store=store)


def test_a_response_is_bound_to_the_version_it_answered(store, survey):
    response = record(store)
    publish(store, (a_question(),))

    [found] = kept(store)
    assert (found, found.survey_version) == (response, 1)


def test_bad_answers_are_not_kept(store, survey):
    with pytest.raises(AnswersInvalid):
        record(store, answers={"topic": "Sales"})

    assert kept(store) == []


def test_a_site_without_a_survey_takes_no_answers(store):
    with pytest.raises(AnswersInvalid):
        record(store)
    assert record(store, answers={}) is None


def test_the_survey_of_another_customer_is_not_answered(store):
    publish(store, customer_id="customer-2")

    with pytest.raises(AnswersInvalid):
        record(store)


def test_nothing_answered_is_nothing_kept(store):
    publish(store, (a_question(),))

    assert record(store, answers={"note": " "}) is None
    assert kept(store) == []


def test_the_same_answers_twice_are_one_response(store, survey):
    assert record(store) == record(store)
    assert len(kept(store)) == 1


def test_other_answers_to_the_same_conversation_are_refused(store, survey):
    record(store)

    with pytest.raises(AlreadyAnswered):
        record(store, answers={"email": "eve@example.com"})
    assert kept(store)[0].answers[0].value == "ada@example.com"


def test_a_response_is_announced_when_its_conversation_opens_and_not_before(store, survey, context):
    record(store)
    assert announced(context) == []

    hear(store)

    assert announced(context) == [ResponseRecorded.routing_key]
    assert [response.status for response in kept(store)] == ["attached"]


def test_an_opening_delivered_twice_announces_once(store, survey, context):
    record(store)
    hear(store)
    hear(store)

    assert len(announced(context)) == 1


def test_a_response_that_comes_after_the_opening_is_announced_at_once(store, survey, context):
    hear(store)
    response = record(store)
    hear(store)

    assert response.status == "attached"
    assert len(announced(context)) == 1


@pytest.mark.parametrize("fields", [{"customer_id": "customer-2"}, {"site_id": "site-2"}, {"conversation_id": "c-2"}])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_opening_of_another_conversation_attaches_nothing(store, survey, context, fields, is_first):
    if is_first:
        hear(store, **fields)
    record(store)
    if not is_first:
        hear(store, **fields)

    assert [response.status for response in kept(store)] == ["pending"]
    assert announced(context) == []


def test_a_pending_response_is_forgotten_after_an_hour_whether_or_not_it_was_cleaned_up(store, survey, context):
    record(store)
    assert len(kept(store, WITHIN)) == 1
    assert kept(store, TOO_LATE) == []

    hear(store, now=TOO_LATE)

    assert announced(context) == []


def test_an_attached_response_is_not_forgotten(store, survey):
    record(store)
    hear(store, now=WITHIN)

    assert len(kept(store, NOON + timedelta(days=3650))) == 1


def test_a_forgotten_response_does_not_stand_in_the_way_of_a_new_one(store, survey):
    first = record(store)
    second = record(store, now=TOO_LATE)

    assert first.response_id != second.response_id
    assert kept(store, TOO_LATE) == [second]


def test_an_opening_is_forgotten_after_an_hour_too(store, survey, context):
    hear(store)

    assert record(store, now=TOO_LATE).status == "pending"
    assert announced(context) == []


@pytest.mark.parametrize("attempt", range(10))
def test_a_response_and_its_opening_that_pass_each_other_still_meet(store, survey, context, attempt):
    at_once(partial(hear, store), partial(record, store))

    assert [response.status for response in kept(store)] == ["attached"]
    assert len(announced(context)) == 1
