from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pymongo.errors import PyMongoError

from chassis.outbox import Outbox
from contracts.surveys import ResponseRecorded
from services.surveys.model import Given, Opening, Survey, VersionTaken
from services.surveys.store import SurveyStore
from tests.surveys.builders import NOON, QUESTIONS, SITE, a_response

SURVEY = Survey(
    survey_id="survey-1",
    customer_id="customer-1",
    site_id="site-1",
    placement="pre-chat",
    version=1,
    questions=QUESTIONS,
    published_at=NOON,
)
OPENING = Opening(customer_id="customer-1", conversation_id="conversation-1", site_id="site-1")


@pytest.fixture
def store(database):
    made = SurveyStore(database)
    made.ensure_indexes()
    return made


class OutOfWords(Exception):
    """The announcement could not be made."""


def speechless(response) -> ResponseRecorded:
    raise OutOfWords


def test_what_is_read_is_what_was_written(store):
    store.add_version(SURVEY)

    assert store.current(SITE) == SURVEY


def test_a_version_is_written_once(store):
    store.add_version(SURVEY)

    with pytest.raises(VersionTaken):
        store.add_version(SURVEY)


def test_a_response_reads_back_as_it_was(store):
    response = a_response()
    store.add(response, announcing=speechless, now=NOON)

    assert store.responses_in("customer-1", "conversation-1", now=NOON) == [response]


def test_a_response_is_not_attached_unless_it_is_announced(store, database):
    store.add(a_response(), announcing=speechless, now=NOON)

    with pytest.raises(OutOfWords):
        store.attach(OPENING, announcing=speechless, now=NOON)

    assert store.responses_in("customer-1", "conversation-1", now=NOON) == [a_response()]
    assert database["openings"].count_documents({"site_id": "site-1"}) == 0


def test_a_response_to_an_open_conversation_is_not_kept_unless_it_is_announced(store):
    store.attach(OPENING, announcing=speechless, now=NOON)

    with pytest.raises(OutOfWords):
        store.add(a_response(), announcing=speechless, now=NOON)

    assert store.responses_in("customer-1", "conversation-1", now=NOON) == []


def test_the_database_cleans_up_only_what_can_expire(database):
    SurveyStore(database).ensure_indexes()

    expiring = {
        name
        for name in database.list_collection_names()
        for index in database[name].list_indexes()
        if "expireAfterSeconds" in index
    }
    assert expiring == {"responses", "openings"}


def test_an_attached_response_no_longer_has_a_time_to_expire(store, database):
    store.add(a_response(), announcing=speechless, now=NOON)
    announced = ResponseRecorded(
        customer_id="customer-1",
        response_id="response-1",
        survey_id="survey-1",
        survey_version=1,
        site_id="site-1",
        conversation_id="conversation-1",
        answers=(),
        answered_at=NOON,
    )
    store.attach(OPENING, announcing=lambda response: announced, now=NOON + timedelta(minutes=1))

    assert database["responses"].find_one({})["expires_at"] is None


def test_making_sure_of_the_indexes_twice_is_harmless(store, database):
    store.ensure_indexes()
    Outbox(database).ensure_indexes()


def changes(versions):
    first = {"_id.version": 1}
    whole = versions.find_one(first)
    return [
        lambda: versions.update_one(first, {"$set": {"_id.questions": []}}),
        lambda: versions.update_one(first, {"$set": {"_id": whole["_id"] | {"version": 2}}}),
        lambda: versions.update_one(first, {"$set": {"questions": []}}),
        lambda: versions.update_one(first, [{"$set": {"_id.published_at": NOON + timedelta(days=1)}}]),
        lambda: versions.replace_one(first, whole | {"note": "changed"}),
        lambda: versions.find_one_and_update(first, {"$push": {"_id.questions": {}}}),
        lambda: versions.insert_one({"_id": whole["_id"] | {"questions": []}}),
        lambda: versions.insert_one({"_id": {"customer_id": "customer-1"}}),
        lambda: versions.insert_one({"_id": "anything"}),
    ]


@pytest.mark.parametrize("number", range(9))
def test_the_database_itself_refuses_every_change_of_a_version(store, database, number):
    store.add_version(SURVEY)
    with pytest.raises(PyMongoError):
        changes(database["versions"])[number]()

    assert store.current(SITE) == SURVEY
    assert database["versions"].count_documents({}) == 1


def test_those_who_start_at_the_same_time_all_find_the_collections_made(database):
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: SurveyStore(database).ensure_indexes(), range(4)))

    assert database["versions"].options()["validationAction"] == "error"


def test_what_is_counted_for_staff_is_counted_only_if_the_response_is_kept(store, database):
    rated = Given(question_id="q", label="Q", kind="rating", value="5", counted=("5",), topic="overall")
    response = a_response(answers=(rated,), expires_at=None)
    with pytest.raises(OutOfWords):
        store.add(response, announcing=speechless, now=NOON)
    assert database["service_ratings"].count_documents({}) == 0

    store.add(response, announcing=lambda _: None, now=NOON)
    assert database["service_ratings"].count_documents({}) == 1
