"""One conversation, end to end, by HTTP and by socket."""

import threading

from chassis.testing import eventually
from tests.edge.customers import Customer
from tests.edge.people import ANSWERS


def test_a_conversation_by_plain_http_ends_in_a_sealed_and_then_archived_transcript(
    customer: Customer, address: str
) -> None:
    visitor, operator = customer.visitor(), customer.operator()

    conversation_id = visitor.open("Where is my order?")
    assert conversation_id in [one["conversation_id"] for one in operator.queued()]
    operator.accept(conversation_id)
    operator.say(conversation_id, "Let me look.")
    visitor.say(conversation_id, "Thank you!")
    operator.close(conversation_id)

    words = ["Where is my order?", "Let me look.", "Thank you!"]
    sealed = eventually(lambda: with_answers(operator.transcript(conversation_id)), timeout=20)
    assert [message["text"] for message in sealed["messages"]] == words
    assert sealed["captured"]["ip"] == address
    assert "Firefox" in sealed["captured"]["browser"]
    answers = {answer["question_id"]: answer["value"] for answer in sealed["responses"][0]["answers"]}
    assert answers == {question: str(value) for question, value in ANSWERS.items()}

    archived = eventually(
        lambda: (one := operator.transcript(conversation_id)) and one["storage"] == "archived" and one, timeout=30
    )
    assert archived == sealed | {"storage": "archived"}
    assert [message["text"] for message in visitor.history(conversation_id)["messages"]] == words


def with_answers(transcript: dict | None) -> dict | None:
    """Answers are announced on their own and may come after the seal."""
    return transcript if transcript and transcript["responses"] else None


def test_both_sides_see_every_message_in_order_by_socket(customer: Customer) -> None:
    visitor, operator = customer.visitor(), customer.operator()
    conversation_id = visitor.open()
    with visitor.socket() as visiting, operator.socket() as operating:
        operator.accept(conversation_id)
        visiting.until("conversation", conversation_id=conversation_id, status="active")
        for number in range(10):
            speaker, listener = (visiting, operating) if number % 2 else (operating, visiting)
            echo = speaker.say(conversation_id, f"sentence {number}")
            heard = listener.until("message", conversation_id=conversation_id)
            assert echo["seq"] == heard["seq"] == number + 1
            assert heard["text"] == f"sentence {number}"


def test_a_long_poll_answers_as_soon_as_something_is_said(customer: Customer) -> None:
    visitor, operator = customer.visitor(), customer.operator()
    conversation_id = visitor.open("Hello?")
    operator.accept(conversation_id)
    heard: list[dict] = []

    def listen() -> None:
        # A change of state, such as the acceptance, answers a poll as well.
        while not heard:
            heard.extend(visitor.history(conversation_id, after=1, wait=20)["messages"])

    listener = threading.Thread(target=listen)
    listener.start()
    operator.say(conversation_id, "Good day.")
    listener.join(15)
    assert [message["text"] for message in heard] == ["Good day."]


def test_the_same_client_id_is_one_message_however_often_it_is_sent(customer: Customer) -> None:
    visitor = customer.visitor()
    conversation_id = visitor.open()
    first = visitor.say(conversation_id, "once", client_id="the-same")
    again = visitor.say(conversation_id, "once", client_id="the-same")
    assert again == first
    assert visitor.history(conversation_id)["last_seq"] == 1


def test_nothing_can_be_said_after_the_close(customer: Customer) -> None:
    visitor, operator = customer.visitor(), customer.operator()
    conversation_id = visitor.open("Bye")
    operator.accept(conversation_id)
    operator.close(conversation_id)
    answer = visitor.edge.post(
        f"/api/v1/widget/conversations/{conversation_id}/messages", {"client_id": "late", "text": "wait!"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "not-open")


def test_a_conversation_needs_the_policy_in_force_acknowledged(customer: Customer) -> None:
    answer = customer.visitor().edge.post(
        "/api/v1/widget/conversations", {"acknowledged_policy_version": "none", "answers": ANSWERS}
    )
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_bad_answers_are_refused_question_by_question(customer: Customer) -> None:
    visitor = customer.visitor()
    version = visitor.config()["policy"]["version"]
    answer = visitor.edge.post(
        "/api/v1/widget/conversations",
        {"acknowledged_policy_version": version, "answers": ANSWERS | {"email": "nonsense", "topic": "Else"}},
    )
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"answers.email", "answers.topic"}
