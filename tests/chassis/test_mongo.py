from datetime import UTC, datetime, timedelta

import pymongo
import pytest
from pymongo.errors import DuplicateKeyError

from chassis import mongo
from chassis.clock import now
from chassis.mongo import StoreUnavailable, connect, ping, server_time, transaction, unavailable, wait_for_primary


def test_the_url_names_the_database(database_url):
    url = database_url("named")
    opened = connect(url)

    assert opened.name == url.partition("?")[0].rpartition("/")[2]
    opened.client.close()


def test_writes_count_once_a_majority_has_them_in_its_journal(database):
    assert database.write_concern.document == {"w": "majority", "j": True}
    assert database.read_concern.level == "majority"


def test_times_come_back_as_they_went(database):
    present = now()
    database.things.insert_one({"_id": "t1", "at": present})

    assert database.things.find_one()["at"] == present


def test_connecting_waits_until_first_use():
    connect("mongodb://127.0.0.1:9/one").client.close()


@pytest.fixture
def absent():
    opened = connect("mongodb://127.0.0.1:9/one?serverSelectionTimeoutMS=100")
    yield opened
    opened.client.close()


def test_a_database_that_is_not_there_is_unavailable(absent):
    with pytest.raises(StoreUnavailable):
        ping(absent)
    with pytest.raises(StoreUnavailable), unavailable(), pymongo.timeout(0.2):
        absent.things.find_one()


def test_waiting_for_a_primary_ends(absent, database):
    wait_for_primary(database, patience=5)
    with pytest.raises(StoreUnavailable):
        wait_for_primary(absent, patience=0)


def test_a_function_may_be_so_decorated(absent):
    @unavailable()
    def find():
        with pymongo.timeout(0.2):
            return absent.things.find_one()

    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            find()


@pytest.mark.parametrize("write", ["insert_one", "insert_many", "update_one"])
def test_a_write_that_too_few_have_is_unavailable(database, write):
    # There is no second member that could have it.
    things = database.things.with_options(write_concern=pymongo.WriteConcern(w=2))
    arguments = {"insert_one": [{"_id": 1}], "insert_many": [[{"_id": 1}]], "update_one": [{"_id": 1}, {"$set": {}}]}

    with pytest.raises(StoreUnavailable), unavailable():
        getattr(things, write)(*arguments[write])


def test_other_errors_stay_what_they_are(database):
    database.things.insert_one({"_id": "t1"})

    with pytest.raises(DuplicateKeyError), unavailable():
        database.things.insert_one({"_id": "t1"})


def test_a_transaction_is_all_or_nothing(database):
    database.create_collection("things")

    def work(session):
        database.things.insert_one({"_id": "t1"}, session=session)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        transaction(database, work)
    assert database.things.find_one() is None


def test_a_transaction_that_meets_another_is_tried_again(database):
    database.things.insert_one({"_id": "t1", "count": 0})
    tries = []

    def add(session):
        tries.append(1)
        count = database.things.find_one({"_id": "t1"}, session=session)["count"]
        if len(tries) == 1:
            database.things.update_one({"_id": "t1"}, {"$inc": {"count": 10}})
        database.things.update_one({"_id": "t1"}, {"$set": {"count": count + 1}}, session=session)
        return count + 1

    assert transaction(database, add) == 11
    assert len(tries) == 2


def test_a_transaction_without_database_is_unavailable(absent, monkeypatch):
    monkeypatch.setattr(mongo, "TRANSACTION_SECONDS", 0.3)

    with pytest.raises(StoreUnavailable):
        transaction(absent, lambda session: absent.things.insert_one({}, session=session))


def test_the_servers_time_is_its_own(database):
    moment = server_time(database)

    assert moment.tzinfo is not None
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=5)
