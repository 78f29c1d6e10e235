"""Where conversations and the live log of their messages are kept.

Messages and marks carry their customer with them. Three unique indexes hold the promises of the relay
whatever a stale process does: one conversation per id, one message per ``(conversation_id, seq)``, one
per ``(conversation_id, client_id, sender)``.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import BulkWriteError

from chassis.ids import new_id
from chassis.mongo import Document, StoreUnavailable, unavailable
from contracts.chat import Capture, Sender
from contracts.disclosures import ConversationsScope, PeriodScope, Scope, VisitorScope
from services.chat.model import (
    Conversation,
    ConversationKey,
    End,
    Head,
    Message,
    MessageKey,
    Place,
    Standing,
    Status,
    erased,
    message_key,
)
from services.chat.store.documents import DUPLICATE_KEY, STILL_THERE, TOMBSTONE_KEPT, to_document, to_object
from services.chat.store.erasures import due_at_once, owing_to

LOG_PAGE = 200
VISITORS_STANDINGS, OPERATORS_STANDINGS = 200, 1_000
ACCEPTED = frozenset({"status", "operator", "accepted_at", "accepted_by_command"})
ACKNOWLEDGED = frozenset({"acknowledged_policy_version", "policy_acknowledged_at"})
CLOSED = frozenset({"status", "closed_at", "closed_by", "closed_by_command", "last_seq", "digest", "trail"})
EMPTY_LOG_KEPT = timedelta(days=1)
"""How long the wordless places of a dropped log still stand against late writers."""
UNSEALED = {"status": "closed", "is_sealed": False}


class Fenced(Exception):
    """Another writer was here first. ``stored`` messages went in before; ``fence`` is the field that refused."""

    def __init__(self, stored: int, fence: str) -> None:
        super().__init__(fence)
        self.stored = stored
        self.fence = fence


class ConversationStore:
    """Keeps conversations and the live log of their messages."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._configuration = database["configuration"]
        self._parts = database["erasure_parts"]
        self._erasures = database["erasures"]
        self._conversations = database["conversations"]
        self._messages = database["messages"]

    @unavailable()
    def ensure_indexes(self) -> None:
        in_order = [("opened_at", ASCENDING), ("_id", ASCENDING)]
        self._conversations.create_indexes(
            [
                IndexModel([("customer_id", ASCENDING), ("status", ASCENDING), *in_order]),
                IndexModel([("customer_id", ASCENDING), *in_order]),
                IndexModel([("visitor_id", ASCENDING), *in_order]),
                IndexModel([("closed_at", ASCENDING)], partialFilterExpression=UNSEALED),
                IndexModel(
                    [("erased_at", ASCENDING)],
                    expireAfterSeconds=int(TOMBSTONE_KEPT.total_seconds()),
                    partialFilterExpression={"status": "erased"},
                ),
            ]
        )
        by_client = [("conversation_id", ASCENDING), ("client_id", ASCENDING), ("sender.id", ASCENDING)]
        self._messages.create_indexes(
            [
                IndexModel([("conversation_id", ASCENDING), ("seq", ASCENDING)], unique=True),
                IndexModel(by_client, unique=True),
                IndexModel(
                    [("dropped_at", ASCENDING)], expireAfterSeconds=int(EMPTY_LOG_KEPT.total_seconds()), sparse=True
                ),
            ]
        )

    @unavailable()
    def partitions_in_force(self, wanted: int) -> int:
        """The number of partitions this installation was set up with; ``wanted`` when it is new."""
        recorded = self._configuration.find_one_and_update(
            {"_id": "partitions"},
            {"$setOnInsert": {"count": wanted}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return int((recorded or {})["count"])

    @unavailable()
    def partitions(self) -> int | None:
        """The number in force; None if the installation is new."""
        recorded: Document = self._configuration.find_one({"_id": "partitions"}) or {}
        return recorded.get("count")

    @unavailable()
    def partitions_to_come(self) -> int | None:
        """The number that is being changed to, until that is done."""
        recorded: Document = self._configuration.find_one({"_id": "partitions"}) or {}
        return recorded.get("to_come")

    @unavailable()
    def begin_repartition(self, wanted: int) -> int:
        """Record what is wanted; the number in force, which is ``wanted`` when the installation is new."""
        self.partitions_in_force(wanted)
        recorded = self._configuration.find_one_and_update({"_id": "partitions"}, {"$set": {"to_come": wanted}})
        return int((recorded or {})["count"])

    @unavailable()
    def finish_repartition(self, wanted: int) -> bool:
        """Have ``wanted`` in force; False if another number has been begun with meanwhile."""
        change = {"$set": {"count": wanted}, "$unset": {"to_come": 1}}
        return self._configuration.update_one({"_id": "partitions", "to_come": wanted}, change).matched_count == 1

    @unavailable()
    def conversation(self, customer_id: str, conversation_id: str) -> Conversation | None:
        found = self._conversations.find_one({"_id": conversation_id, "customer_id": customer_id})
        return _conversation(found) if found else None

    @unavailable()
    def captures(self, customer_id: str, visitor_id: str) -> dict[str, Capture]:
        """What was captured in those of the visitor's conversations whose log is still here."""
        mine = {"customer_id": customer_id, "visitor_id": visitor_id, "is_sealed": False}
        found = self._conversations.find(mine, {"capture": 1})
        return {document["_id"]: msgspec.convert(document["capture"], Capture) for document in found}

    @unavailable()
    def conversations(
        self, customer_id: str, *, visitor_id: str | None, status: Status | None, after: Place | None, limit: int
    ) -> list[Conversation]:
        """A page of the customer's conversations: in the queue who waits longest, elsewhere the newest first."""
        direction = ASCENDING if status == "queued" else DESCENDING
        wanted: Document = {"customer_id": customer_id, **STILL_THERE}
        if visitor_id is not None:
            wanted["visitor_id"] = visitor_id
        if status is not None:
            wanted["status"] = status
        if after is not None:
            beyond = "$gt" if direction == ASCENDING else "$lt"
            wanted["$or"] = [
                {"opened_at": {beyond: after.opened_at}},
                {"opened_at": after.opened_at, "_id": {beyond: after.conversation_id}},
            ]
        found = self._conversations.find(wanted).sort([("opened_at", direction), ("_id", direction)]).limit(limit)
        return [_conversation(document) for document in found]

    @unavailable()
    def standings_of_visitors(self, customer_id: str, visitor_ids: Collection[str]) -> dict[str, list[Standing]]:
        """By visitor, how their conversations stand, at most 200 of each, the newest first."""
        wanted = {"visitor_id": {"$in": list(visitor_ids)}, "customer_id": customer_id, **STILL_THERE}
        return self._standings(customer_id, wanted, by="visitor_id", most=VISITORS_STANDINGS) if visitor_ids else {}

    @unavailable()
    def standings_of_operators(self, customer_id: str, operator_ids: Collection[str]) -> dict[str, list[Standing]]:
        """By operator, how the conversations stand that they are in, at most 1,000 of each, the newest first."""
        wanted = {"customer_id": customer_id, "status": "active", "operator.id": {"$in": list(operator_ids)}}
        return self._standings(customer_id, wanted, by="operator.id", most=OPERATORS_STANDINGS) if operator_ids else {}

    def _standings(self, customer_id: str, wanted: Document, *, by: str, most: int) -> dict[str, list[Standing]]:
        fields: Document = {"person": f"${by}", "status": 1, "last_seq": 1, "opened_at": 1}
        stages: list[Document] = [
            {"$match": wanted},
            {"$project": fields},
            {"$sort": {"opened_at": DESCENDING, "_id": DESCENDING}},
            {"$group": {"_id": "$person", "found": {"$firstN": {"input": "$$ROOT", "n": most}}}},
            {"$unwind": "$found"},
            {"$replaceWith": "$found"},
            self._top_of(customer_id, among={"text": {"$exists": True}}),
        ]
        standings: dict[str, list[Standing]] = {}
        for document in self._conversations.aggregate(stages):
            standings.setdefault(document["person"], []).append(_standing(document))
        return standings

    @unavailable()
    def disclosed_ids(self, customer_id: str, scope: Scope, *, after: str, limit: int) -> list[str]:
        """Those of the customer's unsealed conversations that are within ``scope``, in the order of their ids."""
        wanted: Document = {"customer_id": customer_id, "is_sealed": False, **STILL_THERE, "_id": {"$gt": after}}
        match scope:
            case ConversationsScope():
                wanted["_id"]["$in"] = list(scope.conversation_ids)
            case VisitorScope():
                wanted["visitor_id"] = scope.visitor_id
            case PeriodScope():
                wanted["opened_at"] = {"$gte": scope.since, "$lt": scope.until}
        found = self._conversations.find(wanted, {"_id": 1}).sort("_id", ASCENDING).limit(limit)
        return [document["_id"] for document in found]

    @unavailable()
    def queue(self, customer_id: str) -> dict[str, int]:
        """The place in the customer's queue, from 1, of every conversation that waits."""
        waiting = self._conversations.find({"customer_id": customer_id, "status": "queued"}, {"_id": 1})
        in_order = waiting.sort([("opened_at", ASCENDING), ("_id", ASCENDING)])
        return {document["_id"]: place for place, document in enumerate(in_order, start=1)}

    @unavailable()
    def position(self, customer_id: str, conversation: Conversation) -> int:
        """The place in the customer's queue, from 1, of one conversation that waits."""
        before = {"customer_id": customer_id, "status": "queued", "opened_at": {"$lt": conversation.opened_at}}
        level = {**before, "opened_at": conversation.opened_at, "_id": {"$lt": conversation.conversation_id}}
        return self._conversations.count_documents(before) + self._conversations.count_documents(level) + 1

    @unavailable()
    def last_messages(self, customer_id: str, conversation_ids: Sequence[str]) -> dict[str, Message]:
        """The last message of each of these conversations that has one."""
        found = self._with_top(customer_id, conversation_ids, among={"text": {"$exists": True}})
        return {document["_id"]: _message(document["top"][0]) for document in found if document["top"]}

    @unavailable()
    def messages(self, customer_id: str, conversation_id: str, *, after: int, limit: int) -> list[Message]:
        """The messages that follow ``after``, in order."""
        said = {"customer_id": customer_id, "conversation_id": conversation_id, "text": {"$exists": True}}
        found = self._messages.find({**said, "seq": {"$gt": after}}).sort("seq", ASCENDING).limit(limit)
        return [_message(document) for document in found]

    @unavailable()
    def heads(self, customer_id: str, conversation_ids: Sequence[str]) -> dict[ConversationKey, Head]:
        """Where these conversations stand; those the customer does not have are left out."""
        found = self._with_top(customer_id, conversation_ids, among={})
        return {(customer_id, document["_id"]): _head(document) for document in found}

    def _with_top(self, customer_id: str, conversation_ids: Sequence[str], *, among: Document) -> Iterable[Document]:
        """Each conversation with the last place of its log, as ``top``: one index seek a conversation."""
        mine = {"customer_id": customer_id, "_id": {"$in": list(conversation_ids)}}
        stages = [{"$match": mine}, self._top_of(customer_id, among=among)]
        return self._conversations.aggregate(stages) if conversation_ids else ()

    def _top_of(self, customer_id: str, *, among: Document) -> Document:
        last = {
            "from": self._messages.name,
            "localField": "_id",
            "foreignField": "conversation_id",
            "pipeline": [{"$match": {"customer_id": customer_id, **among}}, {"$sort": {"seq": -1}}, {"$limit": 1}],
            "as": "top",
        }
        return {"$lookup": last}

    @unavailable()
    def stored(self, keys: Iterable[MessageKey]) -> dict[MessageKey, Message]:
        """Those of the messages that are in the log with their words."""
        wanted = set(keys)
        if not wanted:
            return {}
        clients: dict[ConversationKey, list[str]] = {}
        for customer_id, conversation_id, _, client_id in wanted:
            clients.setdefault((customer_id, conversation_id), []).append(client_id)
        # The conversation and its clients name few places of one index; the sender is compared here.
        each = [
            {"conversation_id": conversation_id, "client_id": {"$in": client_ids}, "customer_id": customer_id}
            for (customer_id, conversation_id), client_ids in clients.items()
        ]
        found = (_message(document) for document in self._messages.find({"$or": each}) if "text" in document)
        return {key: message for message in found if (key := message_key(message)) in wanted}

    @unavailable()
    def append(self, messages: Sequence[Message]) -> None:
        """Store the messages in order, all of them or, when ``Fenced``, those before the one refused."""
        if not messages:
            return
        _insert(self._messages, [_message_document(message) for message in messages])

    @unavailable()
    def open(self, conversation: Conversation) -> bool:
        """Store a new conversation; False when its id is taken."""
        try:
            _insert(self._conversations, [_conversation_document(conversation)])
        except Fenced:
            return False
        return True

    @unavailable()
    def accept(self, conversation: Conversation) -> bool:
        """Hand the conversation from the queue to its operator; False when it is not in the queue any more."""
        return self._set(conversation, ACCEPTED, where={"status": "queued"})

    @unavailable()
    def acknowledge(self, conversation: Conversation) -> bool:
        """Keep which version of the policy is acknowledged; False when the conversation is closed."""
        return self._set(conversation, ACKNOWLEDGED, where={"closed_at": None})

    @unavailable()
    def end(self, end: End) -> bool:
        """Take the place after the last message; False when another writer has it."""
        document = {
            "_id": end.end_id,
            "customer_id": end.customer_id,
            "conversation_id": end.conversation_id,
            "seq": end.seq,
            "client_id": f"end:{end.closed_by_command}",
            "sender": msgspec.to_builtins(end.closed_by),
            "sent_at": end.closed_at,
            "closed_by_command": end.closed_by_command,
        }
        try:
            _insert(self._messages, [document])
        except Fenced:
            return False
        return True

    @unavailable()
    def close(self, conversation: Conversation) -> bool:
        """Keep the conversation as closed; False when it was closed already."""
        return self._set(conversation, CLOSED, where={"closed_at": None})

    @unavailable()
    def unsealed(self, *, closed_before: datetime, due: datetime, limit: int) -> list[tuple[Conversation, int]]:
        """Of all customers, what is not sealed and due to be told of, with how often it was told; oldest first."""
        which = {**UNSEALED, "closed_at": {"$lt": closed_before}, "reminders.next_at": {"$not": {"$gt": due}}}
        found = self._conversations.find(which).sort("closed_at", ASCENDING).limit(limit)
        return [(_conversation(document), document.get("reminders", {}).get("count", 0)) for document in found]

    @unavailable()
    def note_reminder(self, customer_id: str, conversation_id: str, *, next_at: datetime) -> None:
        """It was told of once more, and will not be again before ``next_at``."""
        which = {"_id": conversation_id, "customer_id": customer_id, **UNSEALED}
        self._conversations.update_one(which, {"$set": {"reminders.next_at": next_at}, "$inc": {"reminders.count": 1}})

    def _set(self, conversation: Conversation, fields: frozenset[str], *, where: Document) -> bool:
        mine = {"_id": conversation.conversation_id, "customer_id": conversation.customer_id, **STILL_THERE, **where}
        document = _conversation_document(conversation)
        changes = {name: value for name, value in document.items() if name in fields}
        return self._conversations.update_one(mine, {"$set": changes}).matched_count == 1

    def log(self, customer_id: str, conversation_id: str) -> Iterator[Message]:
        """Every message of the conversation, in order."""
        after = 0
        while page := self.messages(customer_id, conversation_id, after=after, limit=LOG_PAGE):
            yield from page
            after = page[-1].seq

    @unavailable()
    def drop_log(self, customer_id: str, conversation_id: str, *, dropped_at: datetime) -> bool:
        """Forget every word of a closed conversation and what was captured; False when it is not closed.

        The empty places stay for a day, so that a writer which was away does not fill them again.
        """
        # Sealed first: a reader who finds words missing must also find that they are elsewhere now.
        sealed = self._conversations.update_one(
            {"_id": conversation_id, "customer_id": customer_id, "status": "closed"},
            {"$set": {"is_sealed": True, "capture": {}, "trail": []}},
        )
        if not sealed.matched_count:
            return False
        self._messages.update_many(
            {"conversation_id": conversation_id, "customer_id": customer_id, "dropped_at": None},
            {"$set": {"dropped_at": dropped_at}, "$unset": {"text": 1, "sender.name": 1}},
        )
        return True

    @unavailable()
    def erase(self, customer_id: str, conversation_id: str, *, erasure_id: str, look: int, erased_at: datetime) -> bool:
        """Leave nothing of the conversation but that it is erased, with the receipt for it; False when another writer
        was in between, and it has to be done again.

        The places of the log stay for a day, bare of everything but their number, so that a writer which was away finds
        every one of them taken, and the one after the last.
        """
        # No transaction, as in ``VisitorStore.begin_erasure``: each step may be taken again.
        mine = {"customer_id": customer_id, "conversation_id": conversation_id}
        which = {"_id": conversation_id, "customer_id": customer_id}
        owed = {"_id": conversation_id, "erasure_id": erasure_id, "look": look, "waiting": "chat"}
        if not self._is_bare(which, mine):
            self._count_once(owed, which, mine)
            if not self._fence_off(mine, erased_at):
                return False
            gone = _conversation_document(erased(customer_id, conversation_id, erased_at=erased_at))
            del gone["_id"]
            self._conversations.replace_one(which, gone)
            self._messages.update_many(mine, _bare(erased_at))
        self._parts.update_one(owed, {"$pull": {"waiting": "chat"}})
        if not self._parts.find_one(owing_to(erasure_id), {"_id": 1}):
            self._erasures.update_one(*due_at_once(erasure_id, erased_at))
        return True

    def _count_once(self, owed: Document, which: Document, mine: Document) -> None:
        """Write down what will be removed, before it is: who comes again after a death would count too little."""
        was_there = self._conversations.find_one({**which, **STILL_THERE}, {"_id": 1}) is not None
        words = self._messages.count_documents({**mine, "text": {"$exists": True}})
        found = {"conversations": int(was_there), "messages": words}
        uncounted = {**owed, "found.conversations": {"$exists": False}}
        self._parts.update_one(uncounted, {"$set": {f"found.{kind}": number for kind, number in found.items()}})

    def _fence_off(self, mine: Document, erased_at: datetime) -> bool:
        """Take the place after the last one, so that nobody can add another; False when somebody just has."""
        top = self._messages.find_one(mine, {"seq": 1, "client_id": 1}, sort=[("seq", DESCENDING)])
        if top and top["client_id"] == f"erased:{top['seq']}":
            return True
        seq = top["seq"] + 1 if top else 1
        place = {"_id": new_id(), **mine, "seq": seq, "client_id": f"erased:{seq}", "dropped_at": erased_at}
        try:
            _insert(self._messages, [place])
        except Fenced:
            return False
        return True

    @unavailable()
    def _is_bare(self, which: Document, mine: Document) -> bool:
        """Whether it is erased already, which its places make sure that it stays: every look but the first."""
        if not self._conversations.find_one({**which, "erased_at": {"$ne": None}}, {"_id": 1}):
            return False
        return not self._messages.find_one({**mine, "text": {"$exists": True}}, {"_id": 1})


def _bare(erased_at: datetime) -> list[Document]:
    place = {field: f"${field}" for field in ("_id", "customer_id", "conversation_id", "seq")}
    number = {"$concat": ["erased:", {"$toString": "$seq"}]}
    return [{"$replaceWith": {**place, "client_id": number, "dropped_at": {"$literal": erased_at}}}]


def _insert(collection: MongoCollection[Document], documents: Sequence[Document]) -> None:
    """Insert in order. Raises ``Fenced`` for what is taken for good: a majority has who was first."""
    try:
        # Never one alone: of a single insert the driver tells the duplicate, and not what a majority has.
        collection.insert_many(documents, ordered=True)
    except BulkWriteError as error:
        raise _fence(error) from error


def _fence(error: BulkWriteError) -> Exception:
    details: Mapping[str, Any] = error.details or {}
    refused = details.get("writeErrors") or []
    if details.get("writeConcernErrors") or not refused:
        # Stored, or refused for the sake of what is stored, but not by a majority in time: nobody knows yet. It may be
        # our own writing that was first, and no reader sees it.
        return StoreUnavailable()
    if refused[0]["code"] != DUPLICATE_KEY:
        return error
    fence = "seq" if "seq" in refused[0].get("keyPattern", {}) else "client_id"
    return Fenced(int(details["nInserted"]), fence)


def _conversation_document(conversation: Conversation) -> Document:
    return {**to_document(conversation, key="conversation_id"), "status": conversation.status}


def _conversation(document: Document) -> Conversation:
    return to_object(document, Conversation, key="conversation_id")


def _standing(document: Document) -> Standing:
    last_seq = document["top"][0]["seq"] if document["top"] else document["last_seq"]
    return Standing(conversation_id=document["_id"], status=document["status"], last_seq=last_seq)


def _head(document: Document) -> Head:
    conversation = _conversation(document)
    top = document["top"][0] if document["top"] else None
    if conversation.is_sealed or conversation.erased_at is not None or top is None:
        return Head(conversation=conversation, last_seq=conversation.last_seq)
    if "closed_by_command" in top:
        return Head(conversation=conversation, last_seq=top["seq"] - 1, end=_end(top))
    return Head(conversation=conversation, last_seq=top["seq"])


def _end(document: Document) -> End:
    return End(
        customer_id=document["customer_id"],
        conversation_id=document["conversation_id"],
        seq=document["seq"],
        end_id=document["_id"],
        closed_by=Sender(**document["sender"]),
        closed_by_command=document["closed_by_command"],
        closed_at=document["sent_at"],
    )


def _message_document(message: Message) -> Document:
    # By hand: this runs for every message there is.
    sender = message.sender
    return {
        "_id": message.message_id,
        "customer_id": message.customer_id,
        "conversation_id": message.conversation_id,
        "seq": message.seq,
        "client_id": message.client_id,
        "sender": {"kind": sender.kind, "id": sender.id, "name": sender.name},
        "text": message.text,
        "sent_at": message.sent_at,
    }


def _message(document: Document) -> Message:
    return Message(
        customer_id=document["customer_id"],
        conversation_id=document["conversation_id"],
        seq=document["seq"],
        message_id=document["_id"],
        client_id=document["client_id"],
        sender=Sender(**document["sender"]),
        text=document["text"],
        sent_at=document["sent_at"],
    )
