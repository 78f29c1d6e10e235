"""What was said, from whoever has it."""

from chassis.auth import Caller
from services.gateway.clients.chat import ChatClient
from services.gateway.clients.messages import HISTORY_PAGE, History
from services.gateway.clients.transcripts import TranscriptsClient


class HistoryReader:
    """What was said, wherever it is kept: with chat until the transcript is sealed, with transcripts from then on."""

    def __init__(self, *, chat: ChatClient, transcripts: TranscriptsClient) -> None:
        self._chat = chat
        self._transcripts = transcripts

    def after(self, caller: Caller, conversation_id: str, after: int, *, limit: int = HISTORY_PAGE) -> History:
        history = self._chat.messages(caller, conversation_id, after=after, limit=limit)
        if not history.is_sealed:
            return history
        return self._transcripts.messages(caller, conversation_id, after=after, limit=limit)
