"""Owners and admins read what was done and what was disclosed; nobody else does, and no program."""

import pytest

from services.gateway.clients import Credential

OWN = {"Origin": "http://localhost:8080"}
PATHS = ("/api/v1/audit", "/api/v1/audit/head", "/api/v1/disclosures")


def signed_in(client, role: str) -> Credential:
    credential: Credential = client.here.accounts.add_operator(f"session-of-{role}", role=role)
    client.set_cookie("session", f"session-of-{role}")
    return credential


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_owners_and_admins_read_it(client, role):
    signed_in(client, role)

    assert [client.get(path).status_code for path in PATHS] == [200, 200, 200]
    assert client.post("/api/v1/audit/heads", json={}, headers=OWN).status_code == 201
    assert [caller.customer_id for _, caller, _ in client.here.disclosures.asked] == ["customer-1"]


@pytest.mark.parametrize("role", ["operator", "analyst"])
def test_operators_and_analysts_do_not(client, role):
    signed_in(client, role)

    assert [client.get(path).status_code for path in PATHS] == [403, 403, 403]


def test_no_program_does(client):
    client.here.accounts.add_operator("token", kind="token", role="owner")
    headers = {"Authorization": "Bearer token"}

    assert [client.get(path, headers=headers).status_code for path in PATHS] == [403, 403, 403]
    assert [client.get(path).status_code for path in PATHS] == [401, 401, 401]
