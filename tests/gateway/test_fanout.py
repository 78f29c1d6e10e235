import json
from collections.abc import Callable

import pytest

from chassis.clock import now
from contracts.chat import ConversationErased, VisitorErased
from services.gateway import frames
from services.gateway.closings import Closing
from services.gateway.fanout import ANNOUNCED_KEPT, UNBOUND_AFTER, Fanout, NotListening
from tests.gateway.builders import accepted, closed, erased, opened, posted, rejected, revoked
from tests.gateway.fakes import FakeChat, FakeListener
from tests.gateway.raw import frames_in


class FakeMember:
    """A socket that remembers what it was given."""

    def __init__(self, fanout: Fanout, kind: str = "visitor", subject: str = "visitor-1", **changes) -> None:
        self.customer_id = changes.get("customer_id", "customer-1")
        self.kind = kind
        self.subject = subject
        self.session_id = changes.get("session_id")
        self.views: dict[str, bool] = {}
        self.offered: list[tuple[str, int]] = []
        self.concluded: list[tuple[str, int]] = []
        self.forgotten: list[str] = []
        self.sent: list[dict] = []
        self.closed: list[Closing] = []
        self.recovered = self.rechecked = 0
        self._fanout = fanout

    def join(self, conversation_id: str, *, is_party: bool) -> None:
        if conversation_id not in self.views:
            self.views[conversation_id] = is_party
            self._fanout.join(self, conversation_id)

    def is_party(self, conversation_id: str) -> bool:
        return self.views.get(conversation_id, False)

    def offer(self, conversation_id: str, seq: int, data: bytes) -> None:
        self.offered.append((conversation_id, seq))

    def forget(self, conversation_id: str) -> None:
        self.forgotten.append(conversation_id)

    def conclude(self, conversation_id: str, last_seq: int) -> None:
        self.concluded.append((conversation_id, last_seq))

    def send(self, data: bytes) -> None:
        self.sent += decoded(data)

    def tell(self, data: bytes) -> None:
        self.send(data)

    def recover(self) -> None:
        self.recovered += 1

    def recheck(self) -> None:
        self.rechecked += 1

    def close(self, why: Closing) -> None:
        self.closed.append(why)


def decoded(data: bytes) -> list[dict]:
    return [json.loads(bytes(each.data)) for each in frames_in(data)]


@pytest.fixture
def chat() -> FakeChat:
    return FakeChat()


@pytest.fixture
def forgotten() -> list[str]:
    return []


@pytest.fixture
def listener() -> FakeListener:
    return FakeListener()


@pytest.fixture
def fanout(chat: FakeChat, forgotten: list[str], listener: FakeListener) -> Fanout:
    made = Fanout(
        forget_session=forgotten.append,
        forget_visitor=forgotten.append,
        queued=chat.queued,
        spawn=lambda call, *of: call(*of),
        now=0.0,
    )
    made.attach(listener)
    return made


@pytest.fixture
def join(fanout: Fanout) -> Callable[..., FakeMember]:
    def make(*arguments, **changes) -> FakeMember:
        member = FakeMember(fanout, *arguments, **changes)
        fanout.add(member, 1)
        return member

    return make


def test_a_customer_is_bound_once_however_many_sockets_it_has_and_unbound_when_it_has_none(fanout, join, listener):
    first, second = join(), join()
    assert listener.bound == ["customer-1"]
    fanout.remove(first)
    fanout.tick(10)
    fanout.remove(second)
    fanout.tick(10 + UNBOUND_AFTER)
    assert listener.bound == ["customer-1"]
    fanout.tick(11 + 2 * UNBOUND_AFTER)
    assert listener.bound == []


def test_a_socket_is_refused_while_the_bus_brings_nothing(fanout, listener):
    listener.is_up = False
    with pytest.raises(NotListening):
        fanout.add(FakeMember(fanout), 0.01)
    fanout.hear(posted())


def test_a_message_goes_to_both_parties_and_to_whoever_has_it_open(fanout, join):
    visitor, operator, onlooker = join(), join("operator", "operator-1"), join("operator", "operator-2")
    stranger, other = join("visitor", "visitor-2"), join("operator", "operator-1", customer_id="customer-2")
    onlooker.join("c-1", is_party=False)
    fanout.hear(posted(1))
    assert [member.offered for member in (visitor, operator, onlooker)] == [[("c-1", 1)]] * 3
    assert stranger.offered == other.offered == []


def test_nothing_of_one_customer_reaches_another_even_under_the_same_ids(fanout, join):
    mine, foreign = join(), join(customer_id="customer-2")
    fanout.hear(posted(customer_id="customer-2"))
    assert mine.offered == []
    assert foreign.offered == [("c-1", 1)]


def test_operators_who_do_not_read_get_at_most_a_summary_now_and_then(fanout, join):
    reader, idle = join("operator", "operator-1"), join("operator", "operator-2")
    for seq in range(1, 6):
        fanout.hear(posted(seq))
    fanout.tick(1)
    fanout.hear(posted(6))
    fanout.tick(1.5)
    assert idle.offered == []
    [summary] = idle.sent
    assert (summary["type"], summary["last_seq"], summary["last_message"]["text"]) == ("conversation", 5, "text 5")
    assert reader.sent == []
    fanout.tick(2.1)
    assert [frame["last_seq"] for frame in idle.sent] == [5, 6]


def test_a_message_that_is_announced_again_is_no_news(fanout, join):
    visitor, operator, onlooker = join(), join("operator", "operator-1"), join("operator", "operator-2")
    fanout.hear(posted(1))
    fanout.hear(posted(2))
    fanout.hear(posted(1, caused_by="again"))
    fanout.tick(1)
    assert [frame["last_seq"] for frame in onlooker.sent] == [2]
    # Who waits for its echo has it nevertheless.
    assert visitor.offered == operator.offered == [("c-1", 1), ("c-1", 2), ("c-1", 1)]


def test_nobody_is_seated_anew_for_what_was_announced_before(fanout, join):
    operator = join("operator", "operator-1")
    fanout.hear(posted(1))
    fanout.hear(closed(last_seq=2))
    operator.views.clear()
    for seq in (1, 2):
        fanout.hear(posted(seq, caused_by="again"))
    assert operator.views == {}
    fanout.tick(1)
    assert [frame for frame in operator.sent if "last_message" in frame] == []


def test_only_so_many_conversations_are_remembered_by_how_far_they_got(fanout, join):
    onlooker = join("operator", "operator-2")
    for number in range(ANNOUNCED_KEPT + 1):
        fanout.hear(posted(2, conversation_id=f"c-{number}"))
    assert len(fanout._announced) == ANNOUNCED_KEPT
    fanout.hear(erased(conversation_id=f"c-{ANNOUNCED_KEPT}"))
    assert len(fanout._announced) == ANNOUNCED_KEPT - 1
    assert onlooker.offered == []


def test_a_visitor_joins_the_conversation_it_opened_somewhere_else(fanout, join):
    visitor, operator = join(), join("operator", "operator-2")
    fanout.hear(opened())
    fanout.hear(posted(operator_id=None))
    assert visitor.offered == [("c-1", 1)]
    assert visitor.sent[0]["status"] == operator.sent[0]["status"] == "queued"
    assert operator.offered == []


def test_an_operator_joins_the_conversation_it_accepted_somewhere_else_and_all_are_told(fanout, join):
    visitor, operator, idle = join(), join("operator", "operator-1"), join("operator", "operator-2")
    fanout.hear(accepted())
    assert operator.is_party("c-1")
    for member in (visitor, operator, idle):
        assert member.sent == [
            {
                "type": "conversation",
                "conversation_id": "c-1",
                "status": "active",
                "operator": {"id": "operator-1", "name": "Olga"},
                "accepted_at": member.sent[0]["accepted_at"],
            }
        ]


def test_at_the_end_each_socket_learns_how_many_messages_there_were(fanout, join):
    visitor = join()
    visitor.join("c-1", is_party=True)
    fanout.hear(closed(last_seq=7))
    assert visitor.concluded == [("c-1", 7)]
    assert visitor.sent[0]["status"] == "closed"


def test_a_rejection_reaches_only_who_waits_for_it(fanout, join):
    visitor = join()
    heard = []
    fanout.expect_answer("command-1", heard.append)
    fanout.hear(rejected("not-open"))
    fanout.hear(rejected("not-open"))
    assert [event.code for event in heard] == ["not-open"]
    assert visitor.sent == []


def test_an_answer_that_never_comes_is_forgotten(fanout, join):
    join()
    heard = []
    fanout.tick(0)
    fanout.expect_answer("command-1", heard.append)
    fanout.tick(61)
    fanout.hear(posted())
    assert heard == []


def test_a_revoked_session_loses_its_sockets_and_its_place_in_the_cache(fanout, join, forgotten):
    gone, other = join("operator", "operator-1", session_id="s-1"), join("operator", "operator-1", session_id="s-2")
    fanout.hear(revoked("s-1"))
    assert (gone.closed, other.closed, forgotten) == ([Closing.REVOKED], [], ["s-1"])


def test_signals_reach_the_other_parties_and_nobody_else(fanout, join):
    visitor, operator, onlooker = join(), join("operator", "operator-1"), join("operator", "operator-2")
    visitor.join("c-1", is_party=True)
    operator.join("c-1", is_party=True)
    onlooker.join("c-1", is_party=False)
    sender = frames.Party(kind="visitor", id="visitor-1", name="Visitor 1")
    body = frames.encode_signal(frames.Signal(kind="typing", conversation_id="c-1", sender=sender))
    fanout.hear_signal("customer-1", body)
    fanout.hear_signal("customer-2", body)
    fanout.hear_signal("customer-1", b"nonsense")
    assert [frame["type"] for frame in operator.sent] == ["typing"]
    assert visitor.sent == onlooker.sent == []


def test_after_an_outage_all_catch_up_and_operators_are_checked(fanout, join):
    visitor, operator = join(), join("operator", "operator-1")
    with fanout.watching("customer-1", "c-1") as news:
        fanout.recover()
        assert news.is_set()
    assert (visitor.recovered, operator.recovered) == (1, 1)
    assert (visitor.rechecked, operator.rechecked) == (0, 1)


def test_whoever_waits_in_the_queue_is_told_where_it_stands(fanout, join, chat):
    visitor = join()
    chat.add_conversation(position=2)
    fanout.hear(opened())
    fanout.tick(1)
    assert visitor.sent[-1] == {"type": "conversation", "conversation_id": "c-1", "status": "queued", "position": 2}


def test_news_wakes_who_waits_for_it_and_only_them(fanout, join):
    join()
    with fanout.watching("customer-1", "c-1") as mine, fanout.watching("customer-1", "c-2") as other:
        fanout.hear(posted())
        assert mine.is_set()
        assert not other.is_set()


def test_nobody_waits_for_news_while_the_process_drains(fanout, join):
    join()
    fanout.stop_waiting()
    with fanout.watching("customer-1", "c-1") as news:
        assert news.is_set()


def test_events_that_concern_no_socket_are_passed_over(fanout):
    fanout.hear(posted())
    fanout.hear(revoked("s-1"))


def test_an_erased_visitors_sockets_are_closed_and_the_token_is_forgotten(fanout, join, forgotten):
    gone, other = join(), join(subject="visitor-2")
    fanout.hear(VisitorErased(customer_id="customer-1", visitor_id="visitor-1", reason="minor", erased_at=now()))
    assert (gone.closed, other.closed, forgotten) == ([Closing.REVOKED], [], ["visitor-1"])


def test_an_erased_conversation_leaves_the_screens_and_the_summaries(fanout, join):
    visitor, operator = join(), join("operator", "operator-1")
    fanout.hear(posted())
    fanout.hear(ConversationErased(customer_id="customer-1", conversation_id="c-1", caused_by="flag", erased_at=now()))
    fanout.tick(10)
    for member in (visitor, operator):
        frames = [frame for frame in member.sent if frame["type"] == "conversation"]
        assert [(frame["conversation_id"], frame["status"]) for frame in frames] == [("c-1", "erased")]
    assert visitor.forgotten == ["c-1"]
