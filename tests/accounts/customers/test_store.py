import msgspec

from services.accounts.customers.model import Customer
from tests.accounts.builders import NOW


def test_a_customer_is_kept_once_and_stays_as_it_is(context):
    customer = Customer(customer_id="c1", name="Shop", created_at=NOW)

    context.customers.add_once(customer)
    context.customers.add_once(msgspec.structs.replace(customer, name="Other"))

    assert context.customers.get("c1") == customer
    assert context.customers.get("c2") is None
