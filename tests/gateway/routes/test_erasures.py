import json

from chassis.auth import new_key, public_keys
from chassis.clock import now
from contracts.chat import ConversationErased, FlagMinor
from tests.gateway.builders import rejected


def erased(command) -> ConversationErased:
    return ConversationErased(
        customer_id=command.customer_id,
        conversation_id=command.conversation_id,
        caused_by=command.command_id,
        erased_at=now(),
    )


def test_an_operator_flags_a_minor(client, operator):
    client.here.bus.answer = erased
    answer = client.post("/api/v1/conversations/c-1/flag-minor", headers=operator)
    assert (answer.status_code, answer.json["status"]) == (200, "erased")
    [(_, command)] = client.here.bus.sent
    assert isinstance(command, FlagMinor)
    assert (command.customer_id, command.operator_id) == ("customer-1", "operator-1")


def test_an_analyst_may_not(client):
    client.here.accounts.add_operator("analyst-token", kind="token", role="analyst")
    headers = {"Authorization": "Bearer analyst-token"}
    assert client.post("/api/v1/conversations/c-1/flag-minor", headers=headers).status_code == 403
    assert client.here.bus.sent == []


def test_what_is_erased_is_gone(client, operator):
    client.here.bus.answer = lambda command: rejected("erased", caused_by=command.command_id)
    answer = client.post("/api/v1/conversations/c-1/close", headers=operator)
    assert (answer.status_code, answer.json["code"]) == (410, "erased")


def test_the_counts_are_the_customers(client, operator):
    [day] = client.get("/api/v1/erasures?limit=7", headers=operator).json["days"]
    assert day == {"day": "2026-01-01", "reason": "minor", "visitors": 1, "conversations": 7}
    assert client.get("/api/v1/erasures?before=yesterday", headers=operator).status_code == 422
    assert client.get("/api/v1/erasures").status_code == 401


def test_the_keys_of_certificates_are_public_and_those_of_signers_alone(make_client):
    keys = {service: new_key(service) for service in ("chat", "accounts", "gateway")}
    client = make_client(service_keys=public_keys(keys.values()))
    told = client.get("/api/v1/certificate-keys").json["keys"]
    assert told == json.loads(public_keys([keys["chat"], keys["accounts"]]))["keys"]
    assert not any("d" in key for key in told)
