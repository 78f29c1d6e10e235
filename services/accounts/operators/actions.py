"""What can be done with operators."""

from services.accounts.operators.model import Operator
from services.accounts.operators.store import OperatorStore


def operator_of(customer_id: str, operator_id: str, *, operators: OperatorStore) -> Operator:
    return operators.get(customer_id, operator_id)
