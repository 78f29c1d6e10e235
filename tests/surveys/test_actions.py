from datetime import timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from chassis.testing import as_delivered
from contracts.surveys import ResponseRecorded
from services.surveys import actions
from services.surveys.bootstrap import Context
from services.surveys.model import AlreadyAnswered, AnswersInvalid, MinorAnswered, Period, Survey, SurveyNotFound
from tests.surveys.builders import NOON, QUESTIONS, SITE, a_question, a_submission, an_opening_event, at_once

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


def answer_afterwards(store, now=NOON, **fields):
    return record(store, now, placement="post-chat", **fields)


def leave(store, form="visitor-1.form-1", now=NOON, **fields):
    return record(store, now, placement="offline", conversation_id=None, occasion_id=form, **fields)


def record(store, now=NOON, **fields):
    return actions.record_response(a_submission(**fields), store=store, now=now)


def kept(store, now=NOON, customer_id="customer-1"):
    return actions.responses_in(customer_id, "conversation-1", store=store, now=now)


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


def test_a_version_that_is_given_is_the_one_that_is_answered(store, survey):
    publish(store, (a_question(is_required=True),))

    assert record(store, survey_version=1).survey_version == 1
    with pytest.raises(AnswersInvalid):
        record(store, conversation_id="conversation-2", survey_version=2)
    with pytest.raises(SurveyNotFound):
        record(store, conversation_id="conversation-3", survey_version=3)


def test_each_place_has_a_survey_of_its_own(store, survey):
    after = publish(store, (a_question(),), placement="post-chat")

    assert (after.version, after.survey_id != survey.survey_id) == (1, True)
    assert actions.current_survey(SITE, store=store) == survey


def test_versions_are_listed_newest_first_and_page_by_page(store):
    for number in range(5):
        publish(store, (a_question(label=f"Question {number}"),))

    page, has_earlier = actions.survey_versions(SITE, before=None, limit=3, store=store)
    rest, ends = actions.survey_versions(SITE, before=page[-1].version, limit=3, store=store)
    assert [[one.version for one in found] for found in (page, rest)] == [[5, 4, 3], [2, 1]]
    assert (has_earlier, ends) == (True, False)
    assert actions.survey_version(SITE, 2, store=store).questions[0].label == "Question 1"


def test_a_draft_changes_nothing_for_visitors_and_ends_with_publishing(store, survey):
    draft = actions.save_draft(SITE, (a_question(),), store=store, now=NOON)

    assert actions.survey_draft(SITE, store=store) == draft
    assert actions.current_survey(SITE, store=store) == survey
    publish(store, draft.questions)
    with pytest.raises(SurveyNotFound):
        actions.survey_draft(SITE, store=store)
    actions.drop_draft(SITE, store=store)


def test_what_is_answered_after_a_conversation_stays_and_is_announced_once(store, context):
    publish(store, placement="post-chat")
    first = answer_afterwards(store)
    again = answer_afterwards(store)

    assert (first, first.status) == (again, "attached")
    [row] = context.database["outbox"].find()
    assert '"placement":"post-chat"' in row["payload"]
    with pytest.raises(AlreadyAnswered):
        answer_afterwards(store, answers={"email": "eve@example.com"})


def test_before_and_after_are_two_responses_to_one_conversation(store, survey):
    publish(store, placement="post-chat")
    record(store)
    answer_afterwards(store)
    hear(store)

    assert [one.placement for one in kept(store)] == ["pre-chat", "post-chat"]
    assert all(one.status == "attached" for one in kept(store))


def test_what_is_left_while_nobody_is_there_is_a_response_without_a_conversation(store, context):
    publish(store, placement="offline")
    left = leave(store, visitor_id="visitor-1", acknowledged_policy_version="3")

    assert leave(store) == left
    assert leave(store, form="visitor-1.form-2") != left
    assert announced(context) == []
    found, _ = actions.list_responses(replace(SITE, placement="offline"), Period(), after=None, limit=9, store=store)
    assert {one.response_id for one in found} >= {left.response_id}
    assert (left.conversation_id, left.acknowledged_policy_version) == (None, "3")


def test_the_same_form_sent_by_many_at_once_is_one_response(store, context):
    publish(store, placement="offline")
    at_once(*(partial(leave, store) for _ in range(5)))

    assert context.database["responses"].count_documents({}) == 1


@pytest.mark.parametrize("placement", ["pre-chat", "post-chat", "offline"])
def test_an_answer_of_a_minor_keeps_nothing_whatever_else_is_wrong(store, context, placement):
    questions = (*QUESTIONS, a_question(question_id="age", kind="age"))
    publish(store, questions, placement=placement)
    before = {name: context.database[name].count_documents({}) for name in context.database.list_collection_names()}

    with pytest.raises(MinorAnswered):
        record(store, placement=placement, answers={"email": "nonsense", "age": 17, "note": "marker"})
    after = {name: context.database[name].count_documents({}) for name in context.database.list_collection_names()}
    assert after == before


SERVICE = (
    a_question(question_id="chat", kind="rating", about_service="speed"),
    a_question(question_id="own", kind="rating"),
)


def ratings(store):
    return [(one.month, one.topic, one.ratings) for one in actions.service_ratings(store=store)]


def test_ratings_of_our_service_are_counted_once_each_and_told_from_ten_on(store):
    publish(store, SERVICE, placement="offline")
    for number in range(9):
        leave(store, form=f"form-{number}", answers={"chat": 4, "own": 1})
        leave(store, form=f"form-{number}", answers={"chat": 4, "own": 1})
    assert ratings(store) == []

    leave(store, form="form-9", answers={"chat": 4})
    leave(store, form="form-10", answers={"chat": 2})
    assert ratings(store) == [("2026-03", "speed", {"4": 10})]


def test_ratings_of_our_service_count_when_the_conversation_opens_and_not_before(store, context):
    publish(store, SERVICE)
    record(store, answers={"chat": 5})
    assert context.database["service_ratings"].count_documents({}) == 0

    hear(store)
    hear(store)
    [counted] = context.database["service_ratings"].find()
    assert counted["count"] == 1


def test_what_is_counted_for_staff_has_no_identity(store, context):
    publish(store, SERVICE, placement="offline")
    leave(store, answers={"chat": 5}, visitor_id="visitor-1")

    [counted] = context.database["service_ratings"].find()
    assert counted.keys() == {"_id", "count"}
    assert counted["_id"].keys() == {"month", "topic", "rating", "part"}
    assert (counted["_id"]["month"], counted["_id"]["topic"], counted["_id"]["rating"]) == ("2026-03", "speed", "5")


def test_ratings_of_all_customers_are_told_together_the_newest_month_first(store):
    for customer_id in ("customer-1", "customer-2"):
        publish(store, SERVICE, placement="offline", customer_id=customer_id)
        for month in (0, 31):
            for number in range(6):
                leave(
                    store,
                    form=f"{month}.{number}",
                    now=NOON + timedelta(days=month),
                    customer_id=customer_id,
                    answers={"chat": 3},
                )
    assert ratings(store) == [("2026-04", "speed", {"3": 10}), ("2026-03", "speed", {"3": 10})]


def test_many_at_once_about_our_service_lose_nothing(store, context):
    publish(store, SERVICE, placement="offline")
    at_once(*(partial(leave, store, form=f"form-{number}", answers={"chat": 5}) for number in range(12)))

    assert sum(one["count"] for one in context.database["service_ratings"].find()) == 12


ASKED = (
    a_question(question_id="topic", kind="choice", choices=("A", "B", "C")),
    a_question(question_id="liked", kind="choices", choices=("x", "y", "z")),
    a_question(question_id="stars", kind="rating", scale=3),
    a_question(question_id="agree", kind="consent"),
    a_question(question_id="age", kind="age"),
    a_question(question_id="born", kind="birth-date"),
    a_question(question_id="orders", kind="number"),
    a_question(question_id="words", kind="long-text"),
)
GIVEN = [
    {"topic": "A", "liked": ["x", "y"], "stars": 3, "age": 20, "born": "1981-01-01", "orders": 0, "words": "one"},
    {"topic": "A", "liked": ["y"], "stars": 1, "agree": True, "age": 70, "born": "1989-01-01", "orders": 10},
    {"topic": "C", "stars": 3, "orders": 2.5, "words": "two"},
    {"words": "three"},
]


def report(store, **period):
    found = actions.report(replace(SITE, placement="offline"), Period(**period), store=store)
    return found, {one.question_id: one for one in found.questions}


def bars(question):
    return {bar.label: bar.count for bar in question.bars}


@pytest.fixture
def answered(store):
    publish(store, ASKED, placement="offline")
    for number, answers in enumerate(GIVEN):
        leave(store, form=f"form-{number}", now=NOON + timedelta(days=number), answers=answers)


def test_a_report_counts_every_kind_in_its_own_way(store, answered):
    found, by_id = report(store)

    assert (found.responses, [one.question_id for one in found.questions]) == (4, [one.question_id for one in ASKED])
    assert bars(by_id["topic"]) == {"A": 2, "B": 0, "C": 1}
    assert bars(by_id["liked"]) == {"x": 1, "y": 2, "z": 0}
    assert bars(by_id["stars"]) == {"1": 1, "2": 0, "3": 2}
    assert by_id["stars"].mean == pytest.approx(7 / 3)
    assert bars(by_id["agree"]) == {"Yes": 1}
    assert {band: count for band, count in bars(by_id["age"]).items() if count} == {"18 to 24": 1, "65 or older": 1}
    assert bars(by_id["born"]) == {"1980s": 2}
    assert (by_id["words"].answered, by_id["words"].bars) == (3, ())
    orders = by_id["orders"]
    assert (orders.answered, orders.smallest, orders.largest) == (3, 0, 10)
    assert {label: count for label, count in bars(orders).items() if count} == {"0 to 1": 1, "2 to 3": 1, "9 to 10": 1}
    assert len(orders.bars) == 10


def test_a_report_is_of_its_period_only(store, answered):
    found, by_id = report(store, since=NOON + timedelta(days=1), until=NOON + timedelta(days=2))

    assert (found.responses, by_id["topic"].answered, by_id["words"].answered) == (1, 1, 0)
    assert bars(by_id["orders"]) == {"10": 1}


def test_a_report_of_nothing_names_the_questions(store):
    publish(store, ASKED, placement="offline")
    found, by_id = report(store)

    assert (found.responses, len(by_id)) == (0, len(ASKED))
    assert bars(by_id["topic"]) == {"A": 0, "B": 0, "C": 0}
    assert by_id["orders"].bars == ()


def test_a_question_that_is_not_asked_any_more_stays_in_the_report(store, answered):
    publish(store, (ASKED[2], ASKED[0]), placement="offline")
    found, by_id = report(store)

    assert [one.question_id for one in found.questions][:2] == ["stars", "topic"]
    assert [one.is_current for one in found.questions] == [True, True] + [False] * 6
    assert bars(by_id["liked"]) == {"x": 1, "y": 2}


def test_pending_responses_and_other_sites_and_customers_are_in_no_report_and_no_list(store, survey):
    record(store)
    publish(store, customer_id="customer-2")
    hear(store, conversation_id="conversation-9", customer_id="customer-2")
    record(store, customer_id="customer-2", conversation_id="conversation-9")

    found = actions.report(SITE, Period(), store=store)
    listed, _ = actions.list_responses(SITE, Period(), after=None, limit=9, store=store)
    assert (found.responses, listed) == (0, [])


def test_responses_are_listed_newest_first_each_once_page_by_page(store):
    publish(store, placement="offline")
    for number in range(7):
        leave(store, form=f"form-{number}", now=NOON + timedelta(days=number // 3))
    which = replace(SITE, placement="offline")
    seen, after = [], None
    while True:
        page, after = actions.list_responses(which, Period(), after=after, limit=2, store=store)
        seen += page
        if after is None:
            break
    assert len({one.response_id for one in seen}) == len(seen) == 7
    assert [one.answered_at for one in seen] == sorted((one.answered_at for one in seen), reverse=True)
