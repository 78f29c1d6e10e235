"""Where chat keeps what it knows, one module for each kind of thing.

Every method names the customer, and the customer is part of every query; only a visitor's token,
which no two visitors share, finds its visitor without one.
"""

from services.chat.store.conversations import ConversationStore, Fenced
from services.chat.store.erasures import ErasureStore
from services.chat.store.presence import PresenceStore
from services.chat.store.relays import RelayStore
from services.chat.store.tickets import TicketStore
from services.chat.store.visitors import VisitorStore

__all__ = [
    "ConversationStore",
    "ErasureStore",
    "Fenced",
    "PresenceStore",
    "RelayStore",
    "TicketStore",
    "VisitorStore",
]
