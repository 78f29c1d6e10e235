"""What a visitor may ask about themselves, and whom it reaches."""

import pytest

from chassis.http import RemoteProblem

WIDGET = "/api/v1/widget"


def test_a_copy_is_put_together_from_whoever_has_it(client, visitor):
    client.here.chat.add_conversation("live", said=2)
    client.here.chat.add_conversation("old", is_sealed=True, status="closed")
    client.here.chat.add_conversation("foreign", visitor_id="visitor-2")
    client.here.transcripts.add("old")

    copy = client.get(f"{WIDGET}/copy", headers=visitor).json

    live, old = copy["conversations"]
    assert [message["text"] for message in live["messages"]] == ["text 1", "text 2"]
    assert live["captured"]["user_agent"] == "Firefox"
    assert live["responses"][0]["answers"][0]["value"] == "because of live"
    assert (old["captured"]["browser"], old["acknowledged_policy_version"]) == ("Firefox", "3")
    assert copy["visitor"]["visitor_id"] == "visitor-1"


def test_copies_are_not_made_without_end(make_client):
    client = make_client(copies_per_minute=2)
    client.here.chat.add_visitor("visitor-token")
    headers = {"Authorization": "Bearer visitor-token"}
    answers = [client.get(f"{WIDGET}/copy", headers=headers).status_code for _ in range(3)]
    assert answers == [200, 200, 429]


def test_an_erasure_that_was_asked_for_is_shown_to_the_token_that_is_good_for_nothing_else(client, visitor):
    asked = client.post(f"{WIDGET}/erasure", headers=visitor)
    assert (asked.status_code, asked.json["status"], asked.json["reason"]) == (202, "running", "asked")

    assert client.post(f"{WIDGET}/erasure", headers=visitor).json == asked.json
    assert client.get(f"{WIDGET}/erasure", headers=visitor).json == asked.json
    assert client.get(f"{WIDGET}/copy", headers=visitor).status_code == 401


def test_there_is_none_before_one_is_asked_for(client, visitor):
    assert client.get(f"{WIDGET}/erasure", headers=visitor).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("get", "copy"), ("get", "erasure"), ("post", "erasure")])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer unknown"}])
def test_without_a_visitors_token_there_is_nothing(client, method, path, headers):
    assert getattr(client, method)(f"{WIDGET}/{path}", headers=headers).status_code == 401


def test_answers_that_tell_of_a_minor_erase_the_visitor_and_say_so_kindly(client, visitor):
    client.here.surveys.refusal = RemoteProblem(409, {"code": "minor"})
    body = {"acknowledged_policy_version": "3", "answers": {"age": 12}}

    answer = client.post(f"{WIDGET}/conversations", json=body, headers=visitor)

    assert (answer.status_code, answer.json["code"]) == (409, "minor")
    assert "18" in answer.json["detail"]
    assert client.here.bus.sent == []
    assert client.get(f"{WIDGET}/erasure", headers=visitor).json["reason"] == "minor"


def test_another_refusal_of_answers_erases_nobody(client, visitor):
    client.here.surveys.refusal = RemoteProblem(422, {"code": "invalid"})
    body = {"acknowledged_policy_version": "3", "answers": {"age": "x"}}
    assert client.post(f"{WIDGET}/conversations", json=body, headers=visitor).status_code == 422
    assert client.get(f"{WIDGET}/erasure", headers=visitor).status_code == 404
