"""Commands in, by partition and in batches: order, ``seq``, store, announce, acknowledge.

A conversation has one partition and a partition one active relay, so order is given. What a relay
cannot know is whether it still is the active one, or whether a command was carried out before by
one that died: the unique indexes of the store refuse every second writing, and what was refused is
read again and answered again. The queue is the outbox: a command is acknowledged only when its
events are confirmed, so a death at any line means that it comes again.
"""

import signal
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import TypeVar

import prometheus_client
import structlog

from chassis import logs
from chassis.bus import BatchConsumer, Bus, Delivery, PublishFailed, Restart, Retry, WorkQueue
from chassis.clock import now
from chassis.ids import new_id
from chassis.mongo import StoreUnavailable
from chassis.settings import read
from contracts.chat import (
    COMMANDS,
    AcceptConversation,
    Capture,
    CloseConversation,
    ConversationCommand,
    DropLog,
    OpenConversation,
    PostMessage,
)
from contracts.digest import digest_of
from contracts.partitions import partition_queue
from contracts.payload import Event
from services.chat import model
from services.chat.bootstrap import Context, bootstrap, started_bus
from services.chat.model import Conversation, ConversationKey, End, Head, Message, Posting, Refused
from services.chat.settings import Settings
from services.chat.store import ConversationStore, Fenced, VisitorStore

log = structlog.get_logger(__name__)

HEADS_KEPT = 10_000
"""Conversations remembered between batches; must exceed the size of a batch."""
