from datetime import timedelta

import pytest

from chassis.clock import now
from services.accounts.policy import actions
from services.accounts.policy.model import VersionNotFound
from tests.accounts.builders import a_posted_version


def test_the_first_version_is_posted_once_however_often_the_service_starts(context):
    posted = actions.policy(policies=context.policies).in_force

    actions.post_first_version(policies=context.policies)

    assert actions.policy(policies=context.policies).in_force == posted


def test_a_version_goes_from_draft_to_posted_to_in_force(context):
    draft = actions.save_draft(
        None, 0, summary="Less.", text="We keep less.", saved_by="lea", now=now(), policies=context.policies
    )
    posted = actions.post(draft.draft_id, draft.revision, effective_at=None, posted_by="lea", policies=context.policies)
    actions.activate_due(policies=context.policies)

    assert posted.version == "2"
    assert actions.policy(policies=context.policies).upcoming == posted
    assert [(version.version, state) for version, state in actions.versions(policies=context.policies)] == [
        ("2", "upcoming"),
        ("1", "in-force"),
    ]


def test_when_its_time_has_come_it_is_in_force_and_the_others_are_history(context):
    versions = context.database["policy_versions"]
    a_posted_version(versions, 2, posted_at=now() - timedelta(days=15, seconds=1))

    assert actions.policy(policies=context.policies).in_force.version == "1"
    actions.activate_due(policies=context.policies)

    assert actions.policy(policies=context.policies).in_force.text == "Text 2."
    assert actions.version(1, policies=context.policies)[1] == "past"
    with pytest.raises(VersionNotFound):
        actions.version(3, policies=context.policies)
