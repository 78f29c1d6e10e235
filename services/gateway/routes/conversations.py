"""Live conversations, for operators."""

from typing import Any

from apiflask import APIBlueprint

from chassis.ids import new_id
from contracts.chat import AcceptConversation, ConversationAccepted, ConversationErased, FlagMinor
from services.gateway.bootstrap import context
from services.gateway.routes import access, talking
from services.gateway.schemas.captures import ConversationVisitOut
from services.gateway.schemas.conversations import ChangedOut, ConversationOut, ConversationsOut, ConversationsQuery
from services.gateway.schemas.messages import HistoryOut, HistoryQuery, MessageIn, PostedOut

blueprint = APIBlueprint("conversations", __name__, url_prefix="/api/v1/conversations")

MESSAGES = "conversations.messages"
CONVERSATION = "conversations.conversation"
FOREIGN = "No such conversation, or not one of yours."
OUT_OF_REACH = "It is sealed, and the API token has no scope `transcripts`."
CLOSED = "The conversation is closed."


@blueprint.get("")
@blueprint.input(ConversationsQuery, location="query")
@blueprint.output(ConversationsOut)
@blueprint.doc(security=access.OPERATOR)
def list_conversations(query_data: ConversationsQuery) -> Any:
    """The customer's conversations."""
    caller = access.operator("conversations")
    return context().chat.conversations(
        caller, status=query_data.status, after=query_data.after, limit=query_data.limit
    )


@blueprint.get("/<opaque:conversation_id>", endpoint="conversation")
@blueprint.output(ConversationOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def show_conversation(conversation_id: str) -> Any:
    """How a conversation stands."""
    return context().chat.conversation(access.operator("conversations"), conversation_id)


@blueprint.get("/<opaque:conversation_id>/visit")
@blueprint.output(ConversationVisitOut)
@blueprint.doc(security=access.OPERATOR, responses={404: f"{FOREIGN} Or it is sealed, and its transcript has this."})
def show_visit(conversation_id: str) -> Any:
    """What was captured of the visitor, and the pages of their visit so far."""
    return context().chat.visit(access.operator("conversations"), conversation_id)


@blueprint.post("/<opaque:conversation_id>/accept")
@blueprint.output(ChangedOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN, 409: "It is closed, or another operator has it."})
def accept(conversation_id: str) -> Any:
    """Take a conversation from the queue."""
    caller = access.operator("conversations", *access.SPEAKERS)
    command = AcceptConversation(
        command_id=new_id(),
        customer_id=caller.customer_id or "",
        conversation_id=conversation_id,
        operator_id=caller.subject or "",
        operator_name=caller.name,
    )
    return talking.answered(command, _accepted, status_route=CONVERSATION, here=context())


def _accepted(event: ConversationAccepted) -> dict[str, Any]:
    return {
        "conversation_id": event.conversation_id,
        "status": "active",
        "operator": {"id": event.operator_id, "name": event.operator_name},
    }


@blueprint.post("/<opaque:conversation_id>/messages")
@blueprint.input(MessageIn)
@blueprint.output(PostedOut, 201)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN, 409: "The conversation is closed or full."})
def post_message(conversation_id: str, json_data: MessageIn) -> Any:
    """Say something. Saying it again under the same ``client_id`` says it once and gives the same answer."""
    caller = access.operator("conversations", *access.SPEAKERS)
    return talking.post_message(caller, conversation_id, json_data, status_route=MESSAGES, here=context())


@blueprint.get("/<opaque:conversation_id>/messages", endpoint="messages")
@blueprint.input(HistoryQuery, location="query")
@blueprint.output(HistoryOut)
@blueprint.doc(security=access.OPERATOR, responses={403: OUT_OF_REACH, 404: FOREIGN})
def list_messages(conversation_id: str, query_data: HistoryQuery) -> Any:
    """What was said after ``after``; if nothing yet, waits up to ``wait`` seconds for news.

    What is sealed is read from its transcript: that takes the scope ``transcripts`` as well, and is noted.
    """
    return talking.history(access.operator("conversations"), conversation_id, query_data, here=context())


@blueprint.post("/<opaque:conversation_id>/close")
@blueprint.output(ChangedOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN, 409: CLOSED})
def close_conversation(conversation_id: str) -> Any:
    """End the conversation."""
    caller = access.operator("conversations", *access.SPEAKERS)
    return talking.close(caller, conversation_id, status_route=CONVERSATION, here=context())


@blueprint.post("/<opaque:conversation_id>/flag-minor")
@blueprint.output(ChangedOut)
@blueprint.doc(security=access.OPERATOR, responses={202: "Not known yet whether it is erased.", 404: FOREIGN})
def flag_minor(conversation_id: str) -> Any:
    """The visitor is under 18: end the conversation, and erase everything there is of them. It cannot be undone."""
    caller = access.operator("conversations", *access.SPEAKERS)
    command = FlagMinor(
        command_id=new_id(),
        customer_id=caller.customer_id or "",
        conversation_id=conversation_id,
        operator_id=caller.subject or "",
    )
    return talking.answered(command, _erased, status_route=CONVERSATION, here=context())


def _erased(event: ConversationErased) -> dict[str, Any]:
    return {"conversation_id": event.conversation_id, "status": "erased"}
