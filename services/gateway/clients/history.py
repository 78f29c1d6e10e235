"""What was said, from whoever has it."""

from chassis.auth import Caller
from chassis.ids import new_id
from services.gateway.clients.accounts import AccountsClient
from services.gateway.clients.audit import AuditClient
from services.gateway.clients.chat import ChatClient
from services.gateway.clients.messages import HISTORY_PAGE, History
from services.gateway.clients.transcripts import TranscriptsClient

SCOPE = "transcripts"
OPENING = "transcripts.show_transcript"


class OutOfReach(Exception):
    """It is sealed, and for its transcript an API token needs the scope `transcripts`."""


class HistoryReader:
    """What was said, wherever it is kept: with chat until the transcript is sealed, with transcripts from then on.

    A visitor reads their own words. Whoever else reads on from there opens the record: that takes the scope, and is
    noted before it is done.
    """

    def __init__(
        self, *, chat: ChatClient, transcripts: TranscriptsClient, accounts: AccountsClient, audit: AuditClient
    ) -> None:
        self._chat = chat
        self._transcripts = transcripts
        self._accounts = accounts
        self._audit = audit

    def after(
        self, caller: Caller, conversation_id: str, after: int, *, limit: int = HISTORY_PAGE, act_id: str = ""
    ) -> History:
        """A page of it. Under one ``act_id`` several pages are one opening. Raises ``OutOfReach``."""
        history = self._chat.messages(caller, conversation_id, after=after, limit=limit)
        if not history.is_sealed or history.last_seq <= after:
            return history
        if caller.role != "visitor":
            self._note_opening(caller, conversation_id, act_id or new_id())
        return self._transcripts.messages(caller, conversation_id, after=after, limit=limit)

    def _note_opening(self, caller: Caller, conversation_id: str, act_id: str) -> None:
        credential = self._accounts.current(caller)
        if credential is None or not credential.reaches(SCOPE):
            raise OutOfReach
        self._audit.note(caller, act_id=act_id, act=OPENING, subject={"transcript_id": conversation_id})
