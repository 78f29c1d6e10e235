"""What a visitor may ask about themselves, and whom it reaches."""

import json

import pytest
from gevent.event import Event

from chassis.http import RemoteProblem, ServiceUnavailable
from services.gateway.routes.own_data import COPIES_AT_ONCE, RESPONSES_PAGE, CopyTooSlow, copy_answer

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


def test_a_copy_has_the_answers_that_belong_to_no_conversation_in_it(client, visitor):
    client.here.chat.add_conversation("live")
    client.here.surveys.answered = [
        a_response(number, conversation_id="live" if number % 2 else None) for number in range(2 * RESPONSES_PAGE)
    ]
    client.here.surveys.answered.append(a_response(1_000, conversation_id="never opened"))

    copy = client.get(f"{WIDGET}/copy", headers=visitor).json

    ids = [each["response_id"] for each in copy["responses"]]
    assert ids == [*(f"response-{number}" for number in range(0, 2 * RESPONSES_PAGE, 2)), "response-1000"]
    assert copy["responses"][0]["answers"][0]["value"] == "answer 0"


def a_response(number, conversation_id):
    return {
        "response_id": f"response-{number}",
        "survey_id": "survey-1",
        "survey_version": 1,
        "site_id": "site-1",
        "conversation_id": conversation_id,
        "placement": "pre-chat" if conversation_id else "offline",
        "answers": [{"question_id": "q", "label": "Why?", "kind": "text", "value": f"answer {number}"}],
        "acknowledged_policy_version": "3",
        "answered_at": "2026-01-01T00:00:00Z",
    }


def test_a_copy_is_made_conversation_by_conversation_and_no_more_of_it_than_is_read(client, visitor):
    for number in range(3):
        client.here.chat.add_conversation(f"c-{number}", said=1)

    pieces = client.get(f"{WIDGET}/copy", headers=visitor).iter_encoded()

    read, asked = [], []
    for piece in pieces:
        read.append(piece)
        asked.append(len(client.here.chat.asked_after))
    assert asked == [0, 2, 4, 6, 6, 6]
    assert len(json.loads(b"".join(read))["conversations"]) == 3


def test_a_copy_that_fails_in_the_middle_is_no_document_and_keeps_no_place(client, visitor):
    for number in range(2):
        client.here.chat.add_conversation(f"c-{number}", said=1)
    pieces = client.get(f"{WIDGET}/copy", headers=visitor).iter_encoded()
    read = [next(pieces), next(pieces)]

    client.here.chat.failure = ServiceUnavailable("chat")
    with pytest.raises(ServiceUnavailable):
        read.extend(pieces)

    with pytest.raises(json.JSONDecodeError):
        json.loads(b"".join(read))
    client.here.chat.failure = None
    assert len(client.get(f"{WIDGET}/copy", headers=visitor).json["conversations"]) == 2


def test_what_fails_before_the_copy_begins_is_told_with_its_status(client, visitor):
    client.here.chat.own_data = refused
    assert client.get(f"{WIDGET}/copy", headers=visitor).status_code == 404
    del client.here.chat.own_data
    assert client.get(f"{WIDGET}/copy", headers=visitor).status_code == 200


def refused(caller):
    raise RemoteProblem(404, {"code": "not-found"})


def test_one_copy_at_a_time_is_made_for_a_visitor(client, visitor):
    first = client.get(f"{WIDGET}/copy", headers=visitor)
    second = client.get(f"{WIDGET}/copy", headers=visitor)
    assert (second.status_code, second.headers["Retry-After"]) == (429, "10")

    first.close()
    assert client.get(f"{WIDGET}/copy", headers=visitor).json["conversations"] == []


def test_a_few_copies_are_made_at_a_time_and_others_are_to_come_back(client):
    def copy(number):
        client.here.chat.add_visitor(f"token-{number}", visitor_id=f"visitor-{number}")
        return client.get(f"{WIDGET}/copy", headers={"Authorization": f"Bearer token-{number}"})

    under_way = [copy(number) for number in range(COPIES_AT_ONCE)]
    refusal = copy(COPIES_AT_ONCE)
    assert {answer.status_code for answer in under_way} == {200}
    assert (refusal.status_code, refusal.json["code"], refusal.headers["Retry-After"]) == (503, "unavailable", "10")

    for answer in under_way:
        answer.close()
    assert copy(COPIES_AT_ONCE).json["conversations"] == []


def test_who_does_not_read_on_loses_their_place():
    def pieces():
        yield "{"
        Event().wait()

    body = copy_answer("somebody", pieces(), seconds=0.01).iter_encoded()
    with pytest.raises(CopyTooSlow):
        list(body)
    copy_answer("somebody", iter("{}")).close()


def test_copies_are_not_made_without_end(make_client):
    client = make_client(copies_per_minute=2)
    client.here.chat.add_visitor("visitor-token")
    headers = {"Authorization": "Bearer visitor-token"}
    answers = []
    for _ in range(3):
        with client.get(f"{WIDGET}/copy", headers=headers) as answer:
            answers.append(answer.status_code)
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
