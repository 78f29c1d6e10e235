"""What can be asked of the policy."""

from datetime import datetime

from services.accounts.policy import model
from services.accounts.policy.model import Policy
from services.accounts.policy.store import PolicyStore


def policy(*, now: datetime, policies: PolicyStore) -> Policy:
    """The version in force and the one to come."""
    return model.policy_at(now, policies.all())


def post_first_version(*, now: datetime, policies: PolicyStore) -> None:
    """At every start: it stays as it was first posted."""
    policies.add_once(model.first_version(now))
