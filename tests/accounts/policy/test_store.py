"""The fifteen days are guarded where they are stored, against whoever writes there and by whatever clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, WriteError

from chassis.clock import now
from services.accounts.bootstrap import Context
from services.accounts.policy.model import (
    NOTICE_PERIOD,
    Draft,
    DraftChanged,
    DraftMissing,
    EffectiveTooEarly,
    PolicyVersion,
)
from services.accounts.policy.store import GuardMissing, PolicyStore
from tests.accounts.builders import a_draft, a_posted_version

DAY = timedelta(days=1)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def policies(context: Context) -> PolicyStore:
    return context.policies


@pytest.fixture
def versions(context: Context) -> Any:
    """The collection as a client finds it that has the database's address and none of our code."""
    return context.database["policy_versions"]


def posted(policies: PolicyStore, **changed: Any) -> PolicyVersion:
    draft = policies.save_draft(a_draft(**changed))
    return policies.post(draft.draft_id, draft.revision, effective_at=None, posted_by="lea")


class TestPosting:
    def test_the_time_is_the_databases_and_fifteen_days_from_then(self, policies):
        before = now()
        version = posted(policies)

        assert before - 10 * MOMENT <= version.posted_at <= now() + 10 * MOMENT
        assert version.effective_at - version.posted_at == NOTICE_PERIOD
        assert (version.number, version.activated_at) == (2, None)

    def test_a_later_day_may_be_chosen_and_an_earlier_one_not(self, policies):
        draft = policies.save_draft(a_draft())
        with pytest.raises(EffectiveTooEarly):
            policies.post(draft.draft_id, 1, effective_at=now() + 15 * DAY - MOMENT, posted_by="lea")
        later = now() + 30 * DAY

        assert policies.post(draft.draft_id, 1, effective_at=later, posted_by="lea").effective_at == later

    def test_asked_for_twice_it_is_posted_once(self, policies):
        draft = policies.save_draft(a_draft())
        first = policies.post(draft.draft_id, 1, effective_at=None, posted_by="lea")

        assert policies.post(draft.draft_id, 1, effective_at=None, posted_by="lea") == first
        assert [version.number for version in policies.all()[1]] == [2, 1]

    def test_stopped_before_the_draft_was_gone_it_is_not_posted_again(self, policies, context):
        draft = policies.save_draft(a_draft())
        kept = context.database["policy_drafts"].find_one({})
        policies.post(draft.draft_id, 1, effective_at=None, posted_by="lea")
        context.database["policy_drafts"].insert_one(kept)

        with pytest.raises(DraftMissing):
            policies.draft()
        policies.post(draft.draft_id, 1, effective_at=None, posted_by="lea")
        assert len(policies.all()[1]) == 2
        assert context.database["policy_drafts"].count_documents({}) == 0

    def test_a_draft_that_was_changed_meanwhile_is_not_posted(self, policies):
        draft = policies.save_draft(a_draft())
        policies.save_draft(draft)

        with pytest.raises(DraftChanged):
            policies.post(draft.draft_id, 1, effective_at=None, posted_by="lea")

    def test_text_that_looks_like_a_field_of_the_database_is_text(self, policies):
        version = posted(policies, text="$summary", summary="$$NOW")

        assert (version.text, version.summary) == ("$summary", "$$NOW")


class TestDrafting:
    def test_of_two_who_save_the_same_revision_one_has_to_look_again(self, policies):
        first = policies.save_draft(a_draft())
        policies.save_draft(first)

        with pytest.raises(DraftChanged):
            policies.save_draft(first)

    def test_of_two_who_begin_a_draft_one_has_to_look_again(self, policies):
        policies.save_draft(a_draft())

        with pytest.raises(DraftChanged):
            policies.save_draft(a_draft())

    def test_a_draft_that_was_posted_cannot_come_back(self, policies):
        draft = policies.save_draft(a_draft())
        policies.post(draft.draft_id, 1, effective_at=None, posted_by="lea")

        with pytest.raises(DraftChanged):
            policies.save_draft(draft)

    def test_a_dropped_draft_is_gone(self, policies):
        draft: Draft = policies.save_draft(a_draft())
        policies.drop_draft(draft.draft_id, 1)

        with pytest.raises(DraftMissing):
            policies.draft()
        with pytest.raises(DraftChanged):
            policies.drop_draft(draft.draft_id, 1)


class TestTheGuard:
    @pytest.mark.parametrize(
        "change",
        [
            {"effective_at": datetime(2020, 1, 1, tzinfo=UTC)},
            {"effective_at": "2020-01-01"},
            {"effective_at": None},
            {"effective_at": 0},
            {"activated_at": datetime(2020, 1, 1, tzinfo=UTC)},
            {"activated_at": None},
            {"_id.posted_at": datetime(2020, 1, 1, tzinfo=UTC)},
            {"_id": {"number": 2, "posted_at": datetime(2020, 1, 1, tzinfo=UTC)}},
            {"_id.number": 1},
        ],
    )
    def test_no_update_makes_a_version_effective_earlier(self, policies, versions, change):
        posted(policies)
        before = list(versions.find())

        with pytest.raises(WriteError):
            versions.update_one({"_id.number": 2}, {"$set": change})
        with pytest.raises(WriteError):
            versions.update_one({"_id.number": 2}, [{"$set": change}])
        assert list(versions.find()) == before

    def test_not_by_a_millisecond(self, policies, versions):
        version = posted(policies)

        with pytest.raises(WriteError):
            versions.update_one({"_id.number": 2}, {"$set": {"effective_at": version.effective_at - MOMENT}})
        with pytest.raises(WriteError):
            versions.update_one({"_id.number": 2}, {"$unset": {"effective_at": 1}})
        with pytest.raises(WriteError):
            versions.replace_one({"_id.number": 2}, {"effective_at": version.posted_at, "text": "now"})

    def test_no_document_that_says_so_of_itself_is_taken(self, versions):
        posted_at = now()
        early = {"effective_at": posted_at + 15 * DAY - MOMENT, "text": "now"}

        for identity in ({"number": 2, "posted_at": posted_at}, {"number": 2.5, "posted_at": posted_at}, 2):
            with pytest.raises(WriteError):
                versions.insert_one({"_id": identity, **early})

    def test_there_is_one_first_version_and_no_number_twice(self, policies, versions):
        posted(policies)
        for number in (1, 2):
            with pytest.raises(WriteError, match="duplicate"):
                a_posted_version(versions, number, posted_at=now() - DAY)

    def test_the_services_own_user_cannot_take_the_guard_away(self, context, servers, administrator):
        name = context.database.name
        administrator.admin.command("createUser", "guarded", pwd="secret", roles=[{"role": "readWrite", "db": name}])
        try:
            url = servers.mongo_url("admin", name).replace(f"admin:{servers.secrets.mongo['admin']}", "guarded:secret")
            with MongoClient(url) as client, pytest.raises(OperationFailure, match="not authorized"):
                client.get_default_database().command("collMod", "policy_versions", validator={})
            with MongoClient(url) as client, pytest.raises(OperationFailure, match="not authorized"):
                client.get_default_database()["policy_versions"].update_one(
                    {}, {"$set": {"effective_at": 0}}, bypass_document_validation=True
                )
        finally:
            administrator.admin.command("dropUser", "guarded")

    def test_without_the_guard_nothing_starts(self, database):
        database.create_collection("policy_versions")

        with pytest.raises(GuardMissing, match="lacks the guard"):
            PolicyStore(database).ensure_indexes()

    @pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
    @pytest.mark.parametrize("month", [3, 4, 10, 11])
    def test_a_day_of_23_hours_is_no_way_around_it(self, versions, zone, month):
        """Where clocks go forward, fifteen days on the calendar are an hour less than fifteen times 24 hours."""
        number = 2
        for day in range(1, 28):
            posted_at = datetime(2026, month, day, 12, tzinfo=ZoneInfo(zone))
            on_the_calendar = posted_at + NOTICE_PERIOD
            is_short = on_the_calendar.astimezone(UTC) - posted_at.astimezone(UTC) < NOTICE_PERIOD
            document = {"_id": {"number": number, "posted_at": posted_at}, "effective_at": on_the_calendar, "text": "…"}
            if is_short:
                with pytest.raises(WriteError):
                    versions.insert_one(document)
            else:
                versions.insert_one(document)
                number += 1


class TestTakingEffect:
    def test_a_version_takes_effect_when_its_time_has_come_and_not_before(self, policies, versions):
        posted_at = now() - 15 * DAY
        a_posted_version(versions, 2, posted_at=posted_at - DAY)
        a_posted_version(versions, 3, posted_at=posted_at + timedelta(hours=1))

        assert policies.activate_due() == 1
        activated = {version.number: version.activated_at for version in policies.all()[1]}
        assert activated[2] is not None
        assert activated[3] is None

    def test_again_nothing_happens(self, policies, versions):
        a_posted_version(versions, 2, posted_at=now() - 16 * DAY)
        policies.activate_due()
        before = list(versions.find())

        assert policies.activate_due() == 0
        assert list(versions.find()) == before


def test_the_first_version_stays_as_it_was_first_posted(policies):
    policies.post_first("Changed.")

    _, [first] = policies.all()
    assert policies.get(1).text != "Changed."
    assert first.posted_at == first.effective_at == first.activated_at
