"""What visitors and operators have in common: posting, reading and closing, over HTTP."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
from flask import Response, url_for

from chassis.auth import Caller
from chassis.ids import new_id
from contracts.chat import CloseConversation, ConversationCommand, ConversationEvent, MessagePosted, PostMessage, Sender
from services.gateway.bootstrap import Context
from services.gateway.clients import History, Status
from services.gateway.commands import CommandRefused, NotAnsweredYet
from services.gateway.fanout import NotListening
from services.gateway.routes import access
from services.gateway.schemas.messages import HistoryQuery, MessageIn

JSON = "application/json"
LISTEN_SECONDS = 5.0
PAUSE_WITHOUT_BUS = 2.0


def sender_of(caller: Caller) -> Sender:
    """Who speaks, as the verified credential says."""
    return Sender(kind="visitor" if caller.role == "visitor" else "operator", id=caller.subject or "", name=caller.name)


def post_message(caller: Caller, conversation_id: str, said: MessageIn, *, status_route: str, here: Context) -> Any:
    """201 once the message is stored, 202 if that is not known in time."""
    access.limit(here.limits.messages, caller.customer_id or "", caller.subject or "")
    command = PostMessage(
        command_id=new_id(),
        customer_id=caller.customer_id or "",
        conversation_id=conversation_id,
        client_id=said.client_id,
        sender=sender_of(caller),
        text=said.text,
        policy_version=here.policy.version_in_force() if caller.role == "visitor" else None,
    )
    return answered(command, _posted, status_route=status_route, here=here)


def close(caller: Caller, conversation_id: str, *, status_route: str, here: Context) -> Any:
    """200 once the conversation is closed, 202 if that is not known in time."""
    command = CloseConversation(
        command_id=new_id(),
        customer_id=caller.customer_id or "",
        conversation_id=conversation_id,
        closed_by=sender_of(caller),
    )
    return answered(command, _closed, status_route=status_route, here=here)


def answered(command: ConversationCommand, reply: Callable[[Any], Any], *, status_route: str, here: Context) -> Any:
    """What ``reply`` makes of the event that answers the command; 202 and where to look if there is none yet."""
    try:
        event = here.commands.carry_out(command)
    except NotAnsweredYet:
        return _not_known_yet(command.conversation_id, status_route)
    except CommandRefused as refusal:
        is_visitors = status_route.startswith("widget.")
        if is_visitors and refusal.code in {"not-found", "not-a-party"}:
            raise access.not_found() from refusal
        raise
    return reply(event)


def history(caller: Caller, conversation_id: str, query: HistoryQuery, *, here: Context) -> Response:
    """What was said after ``query.after``; if that is nothing yet, waits for news. Holds nothing while it waits."""
    found = here.history.after(caller, conversation_id, query.after, limit=query.limit)
    if query.wait and _is_nothing_new(found, query.after):
        try:
            found = _history_with_news(caller, conversation_id, query, found.status, here=here)
        except NotListening:
            # Without the bus there is no news to wait for: a short wait keeps the client from asking in a circle.
            time.sleep(min(query.wait, PAUSE_WITHOUT_BUS))
    body = {"messages": found.messages, "last_seq": found.last_seq, "status": found.status}
    return Response(msgspec.json.encode(body), mimetype=JSON)


def _history_with_news(
    caller: Caller, conversation_id: str, query: HistoryQuery, status: Status, *, here: Context
) -> History:
    deadline = time.monotonic() + query.wait
    with (
        here.fanout.listening(caller.customer_id or "", min(query.wait, LISTEN_SECONDS)),
        here.fanout.watching(caller.customer_id or "", conversation_id) as news,
    ):
        while True:
            # Ask again now that we listen: what came in between was not heard.
            found = here.history.after(caller, conversation_id, query.after, limit=query.limit)
            is_news = not _is_nothing_new(found, query.after) or found.status != status
            if is_news or here.fanout.is_draining or not news.wait(max(0.0, deadline - time.monotonic())):
                return found
            news.clear()


def _is_nothing_new(found: History, after: int) -> bool:
    return not found.messages and found.status != "closed" and found.last_seq <= after


def _posted(event: MessagePosted) -> Any:
    return {"seq": event.seq, "message_id": event.message_id, "sent_at": event.sent_at}, 201


def _closed(event: ConversationEvent) -> Any:
    return {
        "conversation_id": event.conversation_id,
        "status": "closed",
        "last_seq": getattr(event, "last_seq", None),
    }


def _not_known_yet(conversation_id: str, status_route: str) -> Response:
    status_url = url_for(status_route, conversation_id=conversation_id)
    body = {"status_url": status_url, "conversation_id": conversation_id}
    return Response(
        msgspec.json.encode(body), status=202, mimetype=JSON, headers={"Location": status_url, "Retry-After": "1"}
    )
