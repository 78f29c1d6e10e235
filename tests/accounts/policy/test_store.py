from datetime import timedelta

import msgspec

from services.accounts.policy.model import first_version
from tests.accounts.builders import NOW


def test_a_version_once_posted_never_changes(context):
    [posted] = context.policies.all()

    context.policies.add_once(msgspec.structs.replace(first_version(NOW), text="Changed."))

    assert context.policies.all() == [posted]


def test_all_versions_are_kept(context):
    later = msgspec.structs.replace(first_version(NOW + timedelta(days=9000)), version="2")

    context.policies.add_once(later)

    assert {version.version for version in context.policies.all()} == {"1", "2"}
