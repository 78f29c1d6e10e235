from datetime import timedelta

from chassis.clock import now
from services.accounts.policy import actions


def test_the_first_version_is_posted_once_however_often_the_service_starts(context):
    posted = actions.policy(now=now(), policies=context.policies).in_force

    actions.post_first_version(now=now() + timedelta(days=1), policies=context.policies)

    assert actions.policy(now=now() + timedelta(days=2), policies=context.policies).in_force == posted
