import pytest

from chassis.http import ServiceUnavailable
from contracts.chat import AcceptConversation
from tests.gateway.builders import accepted, closed, posted, rejected

PATH = "/api/v1/conversations"


def test_the_list_is_the_customer_s_own(client, operator):
    client.here.chat.add_conversation("mine")
    client.here.chat.add_conversation("foreign", customer_id="customer-2")
    answer = client.get(f"{PATH}?status=queued", headers=operator)
    assert [one["conversation_id"] for one in answer.json["conversations"]] == ["mine"]
    assert client.get(f"{PATH}?status=active", headers=operator).json["conversations"] == []


def test_a_foreign_conversation_is_not_found_by_any_call(client, operator):
    client.here.chat.add_conversation("foreign", customer_id="customer-2")
    client.here.bus.answer = lambda command: rejected("not-found", caused_by=command.command_id)
    said = {"client_id": "i", "text": "x"}
    answers = [
        client.get(f"{PATH}/foreign", headers=operator),
        client.get(f"{PATH}/foreign/messages", headers=operator),
        client.get(f"{PATH}/foreign/messages?wait=5", headers=operator),
        client.post(f"{PATH}/foreign/messages", json=said, headers=operator),
        client.post(f"{PATH}/foreign/accept", headers=operator),
        client.post(f"{PATH}/foreign/close", headers=operator),
    ]
    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(404, "not-found")}
    assert all(command.customer_id == "customer-1" for _, command in client.here.bus.sent)


def test_an_operator_accepts_under_the_name_of_the_credential(client, operator):
    client.here.bus.answer = lambda command: accepted(caused_by=command.command_id)
    answer = client.post(f"{PATH}/c-1/accept", headers=operator)
    assert (answer.status_code, answer.json["operator"]) == (200, {"id": "operator-1", "name": "Olga"})
    [(_, command)] = client.here.bus.sent
    assert isinstance(command, AcceptConversation)
    assert command.operator_id == "operator-1"


def test_what_another_operator_has_cannot_be_accepted(client, operator):
    client.here.bus.answer = lambda command: rejected("already-accepted", caused_by=command.command_id)
    answer = client.post(f"{PATH}/c-1/accept", headers=operator)
    assert (answer.status_code, answer.json["code"]) == (409, "already-accepted")


def test_who_is_no_party_is_told_so(client, operator):
    client.here.bus.answer = lambda command: rejected("not-a-party", caused_by=command.command_id)
    answer = client.post(f"{PATH}/c-1/messages", json={"client_id": "i", "text": "x"}, headers=operator)
    assert (answer.status_code, answer.json["code"]) == (403, "not-a-party")


def test_an_operator_writes_reads_and_closes(client, operator):
    client.here.chat.add_conversation(said=2)
    client.here.bus.answer = lambda command: posted(3, caused_by=command.command_id)
    answer = client.post(f"{PATH}/c-1/messages", json={"client_id": "i", "text": "x"}, headers=operator)
    assert (answer.status_code, answer.json["seq"]) == (201, 3)
    assert client.here.bus.sent[0][1].sender.kind == "operator"
    assert len(client.get(f"{PATH}/c-1/messages", headers=operator).json["messages"]) == 2
    client.here.bus.answer = lambda command: closed(3, caused_by=command.command_id)
    assert client.post(f"{PATH}/c-1/close", headers=operator).json["status"] == "closed"


def test_ids_that_are_none_are_not_found(client, operator):
    for odd in ("..%2f..", "%00", "{}", "a" * 65, "a%20b", "%24ne", "a.b"):
        assert client.get(f"{PATH}/{odd}", headers=operator).status_code == 404


class TestSealed:
    """Who reads on in a conversation after its end opens the record."""

    @pytest.fixture
    def here(self, client):
        client.here.chat.add_conversation(said=1, is_sealed=True, status="closed")
        client.here.transcripts.add("c-1")
        return client.here

    def test_its_words_take_the_scope_of_the_record(self, client, here):
        here.accounts.add_operator("program", kind="token", scopes=["conversations"])
        answer = client.get(f"{PATH}/c-1/messages", headers={"Authorization": "Bearer program"})
        assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
        assert here.audit.noted == []

    def test_reading_them_is_noted_as_opening_the_transcript(self, client, here, operator):
        answer = client.get(f"{PATH}/c-1/messages", headers=operator)
        assert [one["seq"] for one in answer.json["messages"]] == [1]
        [noted] = here.audit.noted
        assert (noted["act"], noted["subject"]) == ("transcripts.show_transcript", {"transcript_id": "c-1"})

    def test_what_cannot_be_noted_is_not_read(self, client, here, operator):
        here.audit.failure = ServiceUnavailable("accounts")
        assert client.get(f"{PATH}/c-1/messages", headers=operator).status_code == 503

    def test_who_has_them_all_opens_nothing(self, client, here, operator):
        answer = client.get(f"{PATH}/c-1/messages?after=1", headers=operator)
        assert (answer.json["messages"], answer.json["status"]) == ([], "closed")
        assert here.audit.noted == []
