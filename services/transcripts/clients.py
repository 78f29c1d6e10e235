"""What transcripts asks of other services."""

from collections.abc import Iterator

import msgspec

from chassis.auth import Caller
from chassis.http import RemoteProblem, ServiceClient, ServiceUnavailable
from services.transcripts.model import Message

PAGE = 200


class MessagePage(msgspec.Struct, frozen=True):
    """The part of chat's answer that is read here."""

    messages: list[Message]


class ChatClient:
    """Chat, which keeps the words of a conversation until its transcript is sealed."""

    def __init__(self, http: ServiceClient) -> None:
        self._http = http

    def messages(self, customer_id: str, conversation_id: str) -> Iterator[Message]:
        """All that chat has, in order, asked for page by page: nothing, if it knows no such conversation.

        Raises ``ServiceUnavailable``.
        """
        try:
            yield from self._pages(customer_id, conversation_id)
        except RemoteProblem as problem:
            if problem.status == 404:
                return
            # It refuses us, not the question: a matter of keys or load, which people will put right.
            raise ServiceUnavailable("chat", problem.status) from problem

    def close(self) -> None:
        self._http.close()

    def _pages(self, customer_id: str, conversation_id: str) -> Iterator[Message]:
        caller = Caller(service="transcripts", role="service", customer_id=customer_id)
        after = 0
        while page := self._page(caller, conversation_id, after):
            yield from page
            after = page[-1].seq

    def _page(self, caller: Caller, conversation_id: str, after: int) -> list[Message]:
        path = f"/internal/v1/conversations/{conversation_id}/messages"
        answer = self._http.get(path, caller=caller, params={"after": after, "limit": PAGE})
        try:
            return msgspec.convert(answer, MessagePage).messages
        except msgspec.ValidationError as error:
            raise ServiceUnavailable("chat") from error
