import pytest

from chassis.http import ServiceUnavailable
from services.transcripts.bootstrap import Context
from services.transcripts.clients import PAGE, ChatClient
from tests.transcripts.builders import Dialogue
from tests.transcripts.fakes import ChatServer


@pytest.fixture
def chat_client(context: Context) -> ChatClient:
    return context.chat


def test_all_messages_are_fetched_page_by_page(chat: ChatServer, chat_client: ChatClient):
    dialogue = Dialogue([f"text {number}" for number in range(2 * PAGE + 1)])
    chat.hold(dialogue)
    fetched = list(chat_client.messages(dialogue.customer_id, dialogue.conversation_id))
    assert [message.text for message in fetched] == [message.text for message in dialogue.messages]
    assert fetched[0].sent_at == dialogue.messages[0].sent_at
    assert {after for _, after in chat.questions} == {0, PAGE, 2 * PAGE, 2 * PAGE + 1}


def test_a_conversation_unknown_to_chat_has_no_messages(chat_client: ChatClient):
    assert list(chat_client.messages("acme", "unknown")) == []


def test_chat_is_asked_for_one_customer_only(chat: ChatServer, chat_client: ChatClient):
    dialogue = Dialogue(customer_id="acme")
    chat.hold(dialogue)
    assert list(chat_client.messages("other", dialogue.conversation_id)) == []


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_chat_that_fails_or_refuses_us_is_unavailable(chat: ChatServer, chat_client: ChatClient, status: int):
    dialogue = Dialogue()
    chat.instead[dialogue.conversation_id] = status
    with pytest.raises(ServiceUnavailable):
        list(chat_client.messages(dialogue.customer_id, dialogue.conversation_id))
