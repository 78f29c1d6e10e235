from datetime import timedelta

import pytest

from services.accounts.customers.model import Customer
from services.accounts.identity import actions
from services.accounts.operators.model import Acting
from tests.accounts.builders import NOW, an_operator
from tests.accounts.identity.files import a_picture

HOME = {"ip": "192.0.2.1", "user_agent": "Browser/1"}
ELSEWHERE = {"ip": "198.51.100.9", "user_agent": "Other/1"}


@pytest.fixture
def owner(context):
    context.customers.add_once(Customer(customer_id="c1", name="Lamps", created_at=NOW))
    return an_operator(context, "c1", email="olga@shop.example", name="Olga", role="owner")


@pytest.fixture
def sign_in(context):
    """A session of the operator, as somebody who does something in it."""
    from services.accounts.sessions.actions import sign_in

    def session(operator, *, now=NOW, **where):
        _, made, _ = sign_in(
            operator.email,
            "correct horse battery",
            now=now,
            operators=context.operators,
            sessions=context.sessions,
            passwords=context.passwords,
            limits=context.limits,
            audit=context.audit,
            **(HOME | where),
        )
        return Acting(
            customer_id=operator.customer_id,
            operator_id=operator.operator_id,
            session_id=made.session_id,
            name=operator.name,
        )

    return session


@pytest.fixture
def olga(owner, sign_in):
    """The owner, from where she always signs in."""
    return sign_in(owner)


@pytest.fixture
def stranger(owner, olga, sign_in):
    """Somebody who has the owner's password, and nothing else of hers."""
    return sign_in(owner, now=NOW + timedelta(days=30), **ELSEWHERE)


@pytest.fixture
def upload(context):
    def bring(who, action="change-billing", content=None, now=NOW):
        return actions.upload(
            who,
            action,
            content or a_picture(),
            now=now,
            reader=context.documents,
            master_key=context.master_key,
            verifications=context.verifications,
            operators=context.operators,
        )

    return bring


@pytest.fixture
def decide(context):
    def say(verification_id, decision="approved", *, reason="It is her.", by="rita", now=NOW):
        return actions.decide(
            verification_id,
            decision,
            reason=reason,
            decided_by=by,
            now=now,
            verifications=context.verifications,
            letters=context.letters,
            operators=context.operators,
        )

    return say


@pytest.fixture
def sweep(context):
    def look(now):
        actions.sweep(
            now=now, verifications=context.verifications, letters=context.letters, operators=context.operators
        )

    return look


@pytest.fixture
def left(context):
    """How much of keys and documents there is."""

    def counted():
        names = ("identity_keys", "identity_documents.files", "identity_documents.chunks")
        return [context.database[name].count_documents({}) for name in names]

    return counted
