"""Staff sign in apart from operators, and get nowhere that belongs to a customer."""

from typing import get_args

import pytest

from chassis.auth import STAFF
from services.accounts.staff.model import Staff
from tests.accounts.builders import NOW, PASSWORD
from tests.accounts.conftest import callers

SESSIONS = "/internal/v1/staff/sessions"


@pytest.fixture
def lea(context):
    return context.staff.add_once(
        Staff(
            staff_id="lea",
            email="lea@velaro.example",
            name="Lea",
            role="staff-legal",
            password_hash=context.passwords.hash(PASSWORD),
            created_at=NOW,
        )
    )


@pytest.fixture
def public():
    return callers.headers("accounts", "public")


def sign_in(client, public, email="lea@velaro.example", password=PASSWORD):
    body = {"email": email, "password": password, "ip": "", "user_agent": ""}
    return client.post(SESSIONS, json=body, headers=public)


def introspect(client, public, token):
    return client.post("/internal/v1/staff/introspections", json={"token": token}, headers=public)


def test_signing_in_gives_a_session_that_stands_for_that_person(client, public, lea):
    reply = sign_in(client, public)

    assert reply.status_code == 201
    known = introspect(client, public, reply.json["token"]).json
    assert (known["staff_id"], known["role"], known["name"]) == ("lea", "staff-legal", "Lea")


def test_wrong_address_and_wrong_password_get_the_same_answer(client, public, lea):
    replies = [sign_in(client, public, password="wrong"), sign_in(client, public, email="nobody@velaro.example")]

    assert [(reply.status_code, reply.json["code"]) for reply in replies] == [(401, "wrong-credentials")] * 2


def test_signing_out_ends_it(client, public, lea):
    made = sign_in(client, public).json
    as_lea = callers.headers("accounts", "staff-legal", subject="lea", session_id=made["session_id"])

    assert client.delete(f"{SESSIONS}/current", headers=as_lea).status_code == 204
    assert introspect(client, public, made["token"]).status_code == 404


def test_who_left_is_nobody_at_once(client, context, public, lea):
    token = sign_in(client, public).json["token"]
    context.database["staff"].update_one({"_id": "lea"}, {"$set": {"is_active": False}})

    assert introspect(client, public, token).status_code == 404
    assert sign_in(client, public).status_code == 401


def test_an_operator_is_no_staff_and_staff_no_operator(client, edge, public, lea, ann):
    assert sign_in(client, public, email=ann.email).status_code == 401
    assert edge.sign_in(lea.email).status_code == 401
    of_staff, of_ann = sign_in(client, public).json["token"], edge.sign_in(ann.email).json["token"]
    assert edge.introspect(of_staff).status_code == 404
    assert introspect(client, public, of_ann).status_code == 404


def test_no_role_of_staff_is_called_as_one_of_a_customer():
    from services.accounts.operators.model import OperatorRole

    assert not set(STAFF) & set(get_args(OperatorRole))


@pytest.mark.parametrize("role", STAFF)
def test_staff_are_refused_wherever_operators_are_meant(client, role):
    headers = callers.headers("accounts", role, customer_id="c1", subject="lea")

    for path in ("operators/me", "sites", "tokens", "sessions/current"):
        assert client.get(f"/internal/v1/{path}", headers=headers).status_code == 403
