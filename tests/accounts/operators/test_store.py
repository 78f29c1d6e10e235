import msgspec
import pytest

from services.accounts.operators.model import EmailTaken, OperatorNotFound
from tests.accounts.builders import an_operator


def test_an_operator_is_found_by_address_and_by_id(context, ann):
    assert context.operators.by_email("ann@shop.example") == ann
    assert context.operators.get("c1", ann.operator_id) == ann
    assert context.operators.by_email("nobody@shop.example") is None


def test_adding_again_changes_nothing(context, ann):
    again = an_operator(context, "c1", email=ann.email, name="Somebody else")

    assert again == ann


def test_an_address_belongs_to_one_operator_of_one_customer(context, ann):
    with pytest.raises(EmailTaken):
        an_operator(context, "c2", email=ann.email)


def test_another_customer_can_neither_see_nor_change_them(context, ann):
    with pytest.raises(OperatorNotFound):
        context.operators.get("c2", ann.operator_id)
    context.operators.set_password("c2", ann.operator_id, "changed")
    context.operators.set_details("c2", ann.operator_id, name="Changed", role="owner")

    assert context.operators.get("c1", ann.operator_id) == ann


def test_details_and_password_can_be_changed(context, ann):
    context.operators.set_password("c1", ann.operator_id, "changed")
    context.operators.set_details("c1", ann.operator_id, name="Anna", role="admin")

    expected = msgspec.structs.replace(ann, password_hash="changed", name="Anna", role="admin")
    assert context.operators.get("c1", ann.operator_id) == expected
