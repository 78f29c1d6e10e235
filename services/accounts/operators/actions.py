"""What can be done with operators."""

from datetime import datetime

import structlog

from services.accounts.identity.actions import StepUp
from services.accounts.operators.model import Acting, NotAnOwner, Operator, OperatorNotFound, normalised
from services.accounts.operators.store import OperatorStore

log = structlog.get_logger(__name__)


def operator_of(customer_id: str, operator_id: str, *, operators: OperatorStore) -> Operator:
    return operators.get(customer_id, operator_id)


def transfer_ownership(
    who: Acting, email: str, *, now: datetime, operators: OperatorStore, step_up: StepUp
) -> Operator:
    """Make a colleague the owner in one's own place, and be an admin from then on.

    Raises ``NotAnOwner``, ``OperatorNotFound`` for whoever is no other colleague, ``IdentityRequired``.
    """
    # As things are now, and not as they were when the caller's credential was last looked at.
    if operators.get(who.customer_id, who.operator_id).role != "owner":
        raise NotAnOwner
    heir = operators.by_email(normalised(email))
    if heir is None or heir.customer_id != who.customer_id or heir.operator_id == who.operator_id or not heir.is_active:
        raise OperatorNotFound
    step_up.check("transfer-ownership", who, now=now)
    operators.pass_ownership(who.customer_id, who.operator_id, heir.operator_id)
    log.info("ownership transferred", operator_id=who.operator_id, to=heir.operator_id)
    return operators.get(who.customer_id, heir.operator_id)
