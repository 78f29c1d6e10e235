import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import gevent
import gevent.event
import msgspec
import pytest
from gevent.lock import BoundedSemaphore

from chassis.auth import Caller
from chassis.bus import Down
from chassis.clock import now
from chassis.http import ServiceUnavailable
from chassis.problems import Unavailable
from services.gateway.bootstrap import Context
from services.gateway.closings import Closing
from services.gateway.session import MOST_VIEWS, RECHECK_SECONDS, Session, Surroundings
from tests.gateway.builders import a_context, closed, erased, posted
from tests.gateway.fakes import a_message
from tests.gateway.raw import frames_in

ME = Caller(
    service="gateway", role="operator", customer_id="customer-1", subject="operator-1", name="Olga", session_id="s-1"
)
VISITOR = Caller(service="gateway", role="visitor", customer_id="customer-1", subject="visitor-1", name="Ada")


class FakeConnection:
    """What a client says, in order; between the texts, callables do what happens meanwhile."""

    def __init__(self, *script: Any) -> None:
        self.script = script
        self.heard_at = time.monotonic()
        self.is_closing = False
        self.sent: list[dict[str, Any]] = []
        self.closed: list[Closing] = []
        self.pings = 0

    def open(self) -> None:
        return

    def over(self) -> None:
        self.is_closing = True

    def texts(self):
        for step in self.script:
            if callable(step):
                step()
                gevent.sleep(0)
            elif not self.is_closing:
                yield step if isinstance(step, str) else json.dumps(step)

    def send(self, data: bytes) -> None:
        self.sent += [json.loads(bytes(each.data)) for each in frames_in(data)]

    def await_room(self) -> None:
        return

    def ping(self, now: float) -> None:
        self.pings += 1

    def check_pong(self) -> None:
        return

    def close(self, why: Closing) -> None:
        if not self.is_closing:
            self.closed.append(why)
            self.is_closing = True

    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.sent]


def a_session(context: Context, *script: Any, caller: Caller = ME) -> tuple[Session, FakeConnection]:
    ticket = context.tickets.issue(caller)["ticket"]
    connection = FakeConnection({"type": "auth", "ticket": ticket}, *script)
    surroundings = Surroundings(
        settings=context.settings,
        tickets=context.tickets,
        accounts=context.accounts,
        policy=context.policy,
        chat=context.chat,
        history=context.history,
        commands=context.commands,
        bus=context.bus,
        fanout=context.fanout,
        catching_up=BoundedSemaphore(4),
    )
    return Session(connection, surroundings), connection


def run(session: Session) -> None:
    session.run(on_authenticated=lambda: None)


def await_fact(is_so: Callable[[], bool]) -> None:
    with gevent.Timeout(5):
        while not is_so():
            gevent.sleep(0.005)


@pytest.fixture
def context() -> Context:
    return a_context()


def test_what_happens_before_ready_comes_after_it_and_in_its_place(context):
    context.chat.add_conversation(said=2, status="active", operator={"id": "operator-1", "name": "Olga"})
    admit = context.chat.admit

    def slow_list(ticket):
        found = admit(ticket)
        context.chat.logs["c-1"].append(a_message(3))
        context.fanout.hear(posted(3))
        return found

    context.chat.admit = slow_list
    session, connection = a_session(context, {"type": "sync", "conversation_id": "c-1", "after": 1}, lambda: None)
    run(session)
    gevent.sleep(0)
    assert connection.kinds()[0] == "ready"
    assert [frame["seq"] for frame in connection.sent if frame["type"] == "message"] == [2, 3]


def test_the_first_message_of_all_and_the_first_sync_do_not_cross(context):
    context.chat.add_conversation(said=0, status="active", operator={"id": "operator-1", "name": "Olga"})

    def first_message():
        context.chat.logs["c-1"].append(a_message(1))
        context.fanout.hear(posted(1))

    session, connection = a_session(
        context, first_message, {"type": "sync", "conversation_id": "c-1", "after": 0}, lambda: None
    )
    run(session)
    gevent.sleep(0)
    assert [frame["seq"] for frame in connection.sent if frame["type"] == "message"] == [1]


SYNC = {"type": "sync", "conversation_id": "c-1", "after": 2}
MINE = {"status": "active", "operator": {"id": "operator-1", "name": "Olga"}}


def test_who_comes_back_and_missed_nothing_is_told_so_without_asking_chat(context):
    context.chat.add_conversation(said=2, **MINE)
    session, connection = a_session(context, SYNC, lambda: context.fanout.hear(posted(3)))
    run(session)
    assert connection.sent[1] == {"type": "conversation", "conversation_id": "c-1", "status": "active", "last_seq": 2}
    assert [frame["seq"] for frame in connection.sent if frame["type"] == "message"] == [3]
    assert context.chat.asked_after == []


def test_who_missed_something_is_sent_it(context):
    context.chat.add_conversation(said=3, **MINE)
    session, connection = a_session(context, SYNC, lambda: None)
    run(session)
    assert connection.kinds() == ["ready", "message", "conversation"]
    assert context.chat.asked_after == [2]


@pytest.mark.parametrize("is_early", [True, False])
def test_a_state_that_may_be_outdated_is_not_told(context, is_early):
    context.chat.add_conversation(said=2, **MINE)
    admit = context.chat.admit

    def close():
        context.chat.conversations_by_id["c-1"]["status"] = "closed"
        context.fanout.hear(closed(last_seq=2))

    def closed_meanwhile(ticket):
        found = admit(ticket)
        close()
        return found

    if is_early:
        context.chat.admit = closed_meanwhile
    session, connection = a_session(context, *([] if is_early else [close]), SYNC, lambda: None)
    run(session)
    states = [frame["status"] for frame in connection.sent if frame["type"] == "conversation"]
    assert states == ["closed", "closed"]


def test_a_second_sync_is_answered_by_chat(context):
    context.chat.add_conversation(said=2, **MINE)
    session, connection = a_session(context, SYNC, SYNC, lambda: None)
    run(session)
    assert connection.kinds() == ["ready", "conversation", "conversation"]
    assert context.chat.asked_after == [2]


@pytest.mark.parametrize("caller", [ME, VISITOR], ids=["operator", "visitor"])
def test_one_person_may_have_only_so_many_sockets(caller):
    context = a_context(sockets_per_operator=2, sockets_per_visitor=2)

    def others():
        second, _ = a_session(context, third, caller=caller)
        run(second)

    def third():
        session, connection = a_session(context, caller=caller)
        run(session)
        somebody_else, admitted = a_session(context, caller=msgspec.structs.replace(caller, subject="somebody"))
        run(somebody_else)
        seen.append((connection.closed, admitted.closed))

    seen = []
    first, _ = a_session(context, others, caller=caller)
    run(first)
    assert seen == [([Closing.TOO_MANY_OF_PERSON], [])]


def test_a_used_ticket_admits_nobody(context):
    session, connection = a_session(context)
    run(session)
    again = FakeConnection(*connection.script)
    run(Session(again, session._here))
    assert (connection.closed, again.closed) == ([], [Closing.NOT_AUTHENTICATED])


def test_an_operator_who_has_signed_out_meanwhile_is_not_let_in(context):
    context.accounts.live = False
    session, connection = a_session(context)
    run(session)
    assert (connection.sent, connection.closed) == ([], [Closing.NOT_AUTHENTICATED])


def test_a_visitor_needs_no_session(context):
    context.accounts.live = False
    visitor = Caller(service="gateway", role="visitor", customer_id="customer-1", subject="visitor-1")
    session, connection = a_session(context, caller=visitor)
    run(session)
    assert connection.kinds() == ["ready"]


def test_who_is_not_let_in_is_not_counted_as_authenticated(context):
    context.accounts.live = False
    session, _ = a_session(context)
    session.run(on_authenticated=lambda: pytest.fail("authenticated"))


def test_a_socket_is_sent_away_while_the_bus_or_a_service_is_missing(context):
    context.listener.is_up = False
    context.fanout.attach(context.listener)
    session, connection = a_session(context)
    session._here.fanout.add = _unavailable
    run(session)
    assert connection.closed == [Closing.NOT_LISTENING]

    context = a_context()
    context.chat.failure = Unavailable()
    session, connection = a_session(context)
    run(session)
    assert connection.closed == [Closing.NOT_ADMITTED]


def _unavailable(*_: object) -> None:
    raise Unavailable


SAID = {"type": "message", "conversation_id": "c-1", "text": "x"}


def answered(command):
    """Chat's answer to a message: it is stored."""
    return posted(int(command.client_id), client_id=command.client_id, caused_by=command.command_id)


def test_a_message_that_is_not_taken_ends_the_socket_and_what_waits_behind_it_is_not_sent(context, monkeypatch):
    monkeypatch.setattr("services.gateway.turns.REFUSED_SECONDS", 0.0)
    context.bus.answer = answered
    context.chat.add_conversation(**MINE)

    def fail():
        context.bus.failure = Down("gone")

    session, connection = a_session(
        context, SAID | {"client_id": "1"}, fail, SAID | {"client_id": "2"}, SAID | {"client_id": "3"}
    )
    run(session)
    assert connection.closed == [Closing.NOT_ANSWERED]
    assert [command.client_id for _, command in context.bus.sent] == ["1"]


def test_a_client_that_says_too_much_at_once_is_not_read_until_it_is_sent(context, monkeypatch):
    monkeypatch.setattr("services.gateway.turns.BACKLOG", 2)
    context.chat.add_conversation(**MINE)
    read, is_all_sent = [], gevent.event.Event()
    script = [step for name in "12345" for step in (SAID | {"client_id": name}, lambda name=name: read.append(name))]
    session, connection = a_session(context, *script, is_all_sent.wait)
    running = gevent.spawn(run, session)

    with gevent.Timeout(5):
        while len(read) < 3:
            gevent.sleep(0)
    gevent.sleep(0.05)
    assert read == ["1", "2", "3"]

    with gevent.Timeout(5):
        while len(context.bus.sent) < 5:
            context.fanout.hear(answered(context.bus.sent[-1][1]))
            gevent.sleep(0.01)
    is_all_sent.set()
    running.join(5)
    assert [command.client_id for _, command in context.bus.sent] == list("12345")
    assert connection.closed == []


def test_what_waits_is_not_sent_any_more_when_its_conversation_is_erased_or_its_socket_is_over(context):
    context.chat.add_conversation(**MINE)
    session, _ = a_session(
        context,
        SAID | {"client_id": "1"},
        SAID | {"client_id": "2"},
        lambda: context.fanout.hear(erased()),
        lambda: context.fanout.hear(answered(context.bus.sent[0][1])),
        SAID | {"client_id": "3"},
        SAID | {"client_id": "4"},
    )
    run(session)
    context.fanout.hear(answered(context.bus.sent[-1][1]))
    assert [command.client_id for _, command in context.bus.sent] == ["1", "3"]


def test_the_text_of_a_typing_signal_goes_nowhere(context):
    context.chat.add_conversation(status="active", operator={"id": "operator-1", "name": "Olga"})
    session, _ = a_session(context, {"type": "typing", "conversation_id": "c-1", "text": "secret"})
    run(session)
    [(customer_id, body)] = context.bus.signals
    assert customer_id == "customer-1"
    assert b"secret" not in body


def test_after_an_outage_the_missing_is_fetched_and_the_state_is_told(context):
    context.chat.add_conversation(said=1, status="active", operator={"id": "operator-1", "name": "Olga"})

    def outage():
        context.chat.logs["c-1"] += [a_message(2), a_message(3)]
        context.chat.conversations_by_id["c-1"]["status"] = "closed"
        context.fanout.recover()

    session, connection = a_session(
        context, {"type": "sync", "conversation_id": "c-1", "after": 1}, lambda: None, outage, lambda: None
    )
    run(session)
    assert [frame["seq"] for frame in connection.sent if frame["type"] == "message"] == [2, 3]
    assert connection.sent[-1] == {
        "type": "conversation",
        "conversation_id": "c-1",
        "status": "closed",
        "last_seq": 3,
    }


@pytest.mark.parametrize("arrived", [2, 3], ids=["a message is missing", "all arrived"])
def test_an_operators_socket_lets_go_of_a_conversation_that_is_over_when_all_of_it_was_shown(context, arrived):
    context.chat.add_conversation(said=2, **MINE)

    def end():
        context.chat.logs["c-1"].append(a_message(3))
        for seq in range(3, arrived + 1):
            context.fanout.hear(posted(seq))
        context.chat.conversations_by_id["c-1"]["status"] = "closed"
        context.fanout.hear(closed(last_seq=3))

    def look():
        assert session.views == {}
        assert context.fanout.members_showing("customer-1", "c-1") == ()

    session, connection = a_session(context, SYNC, end, lambda: None, look)
    run(session)
    assert [frame["seq"] for frame in connection.sent if frame["type"] == "message"] == [3]
    assert [frame["status"] for frame in connection.sent if frame["type"] == "conversation"] == ["active", "closed"]


def test_who_looks_again_at_what_is_over_is_shown_it_again(context):
    context.chat.add_conversation(said=2, **MINE)

    def end():
        context.chat.conversations_by_id["c-1"]["status"] = "closed"
        context.fanout.hear(closed(last_seq=2))

    session, connection = a_session(context, SYNC, end, SYNC | {"after": 0}, lambda: None)
    run(session)
    assert [frame["seq"] for frame in connection.sent if frame["type"] == "message"] == [1, 2]
    assert connection.sent[-1]["status"] == "closed"


def sealed(context, count):
    context.chat.add_conversation(said=count, **MINE | {"status": "closed", "is_sealed": True})
    context.transcripts.add("c-1", messages=[msgspec.to_builtins(a_message(seq + 1)) for seq in range(count)])


def test_what_an_operator_reads_of_the_record_is_noted_once_however_many_pages_it_has(context):
    sealed(context, 450)
    session, connection = a_session(context, SYNC | {"after": 0}, lambda: None)
    run(session)
    assert connection.kinds().count("message") == 450
    assert {(one["act"], one["subject"]["transcript_id"]) for one in context.audit.noted} == {
        ("transcripts.show_transcript", "c-1")
    }
    assert len({one["act_id"] for one in context.audit.noted}) == 1


def test_an_operator_who_has_all_of_it_opens_no_record(context):
    sealed(context, 2)
    session, connection = a_session(context, SYNC, lambda: None)
    run(session)
    assert connection.sent[-1]["status"] == "closed"
    assert context.audit.noted == []


def test_a_program_without_the_scope_is_shown_nothing_of_the_record(context):
    sealed(context, 2)
    context.accounts.add_operator("program", kind="token", session_id="token-1", scopes=["conversations"])
    program = msgspec.structs.replace(ME, session_id="token-1")
    session, connection = a_session(context, SYNC | {"after": 0}, lambda: None, lambda: None, caller=program)
    run(session)
    assert [(frame["type"], frame["code"]) for frame in connection.sent[1:]] == [("rejected", "forbidden")]
    assert session.views == {}
    assert context.audit.noted == []


def test_a_visitor_reads_their_own_words_from_the_record(context):
    sealed(context, 2)
    session, connection = a_session(context, SYNC | {"after": 0}, lambda: None, caller=VISITOR)
    run(session)
    assert connection.kinds().count("message") == 2
    assert context.audit.noted == []


def test_a_visitor_hears_of_the_erasure_of_what_is_over(context):
    context.chat.add_conversation(said=2, **MINE)

    def end():
        context.fanout.hear(closed(last_seq=2))
        context.fanout.hear(erased())

    session, connection = a_session(context, SYNC, end, caller=VISITOR)
    run(session)
    assert [frame["status"] for frame in connection.sent[1:]] == ["active", "closed", "erased"]


def test_what_chat_has_answered_by_then_is_not_shown_after_the_erasure(context):
    context.chat.add_conversation(said=2, **MINE)
    messages = context.chat.messages

    def answer_too_late(*of, **how):
        found = messages(*of, **how)
        context.fanout.hear(erased())
        return found

    context.chat.messages = answer_too_late
    session, connection = a_session(context, SYNC | {"after": 0}, lambda: None)
    run(session)
    assert [(frame["type"], frame.get("status")) for frame in connection.sent[1:]] == [("conversation", "erased")]


def test_what_waits_for_a_slow_client_is_not_shown_after_the_erasure(context):
    context.chat.add_conversation(said=2, **MINE)
    session, connection = a_session(context, SYNC | {"after": 0}, lambda: None)
    connection.await_room = lambda: context.fanout.hear(erased())
    run(session)
    assert [(frame["type"], frame.get("status")) for frame in connection.sent[1:]] == [("conversation", "erased")]


def test_of_what_was_over_before_they_came_a_visitor_keeps_what_they_look_at(context):
    for conversation_id in ("seen", "later", "never"):
        context.chat.add_conversation(conversation_id, said=2, **MINE | {"status": "closed"})
    context.chat.add_conversation("active", said=2, **MINE)

    def go_on():
        await_fact(lambda: set(session.views) == {"seen", "active"})
        assert context.fanout.members_showing("customer-1", "never") == ()

    def erase():
        for conversation_id in ("seen", "later", "never"):
            context.fanout.hear(erased(conversation_id=conversation_id))

    now, later = (SYNC | {"conversation_id": conversation_id} for conversation_id in ("seen", "later"))
    session, connection = a_session(context, now, go_on, later, lambda: None, erase, caller=VISITOR)
    run(session)
    assert [(frame["conversation_id"], frame["status"]) for frame in connection.sent[1:]] == [
        ("seen", "closed"),
        ("later", "closed"),
        ("seen", "erased"),
        ("later", "erased"),
    ]


def test_what_ends_before_a_client_has_asked_for_it_is_shown_to_its_end(context):
    context.chat.add_conversation(said=2, **MINE)

    def end():
        context.chat.logs["c-1"].append(a_message(3))
        context.chat.conversations_by_id["c-1"]["status"] = "closed"
        context.fanout.hear(closed(last_seq=3))
        await_fact(lambda: "message" in connection.kinds())

    session, connection = a_session(context, end, caller=VISITOR)
    run(session)
    assert [frame["seq"] for frame in connection.sent if frame["type"] == "message"] == [3]


def test_a_session_that_ended_during_an_outage_is_found_out(context):
    def look():
        context.accounts.live = False
        session._check_session()

    session, connection = a_session(context, look)
    run(session)
    assert connection.closed == [Closing.REVOKED]


def test_a_socket_ends_with_what_it_was_opened_with(context):
    soon = now() + timedelta(minutes=2)
    context.accounts.add_operator("program", kind="token", session_id="s-1", expires_at=soon)

    def later():
        session.ping(time.monotonic() + 100)
        assert connection.closed == []
        session.ping(time.monotonic() + 121)

    session, connection = a_session(context, later)
    run(session)
    assert connection.closed == [Closing.TICKET_IS_OLD]


@pytest.mark.parametrize("change", [{"role": "analyst"}, None], ids=["another role", "it is over"])
def test_what_nobody_tells_of_an_operators_session_is_found_out_in_a_minute_or_two(context, change):
    context.accounts.add_operator("console", session_id="s-1")

    def later():
        session.ping(time.monotonic() + 5)
        if change:
            context.accounts.add_operator("console", session_id="s-1", **change)
        else:
            context.accounts.live = False
        gevent.sleep(0)
        assert connection.closed == []
        session.ping(time.monotonic() + 2 * RECHECK_SECONDS)
        await_fact(lambda: bool(connection.closed))

    session, connection = a_session(context, later)
    run(session)
    assert connection.closed == [Closing.REVOKED]


def test_nobody_loses_a_socket_because_accounts_does_not_answer_now(context):
    def later():
        def fail(_caller):
            asked.append(1)
            raise ServiceUnavailable("accounts")

        context.accounts.current = fail
        session.ping(time.monotonic() + 2 * RECHECK_SECONDS)
        await_fact(lambda: bool(asked))
        gevent.sleep(0)
        session.ping(time.monotonic() + 3 * RECHECK_SECONDS)

    asked = []
    session, connection = a_session(context, later)
    run(session)
    assert (connection.pings, connection.closed) == (2, [])


def test_of_visitors_nobody_asks_whether_they_are_still_there(context):
    context.accounts.current = lambda caller: pytest.fail("asked")
    session, _ = a_session(context, lambda: session.ping(time.monotonic() + 2 * RECHECK_SECONDS), caller=VISITOR)
    run(session)


def test_a_socket_shows_a_fresh_ticket_from_time_to_time(context):
    def later():
        session.ping(time.monotonic())
        session.ping(time.monotonic() + 2 * context.settings.socket_lifetime)

    session, connection = a_session(context, later)
    run(session)
    assert connection.pings == 1
    assert connection.closed == [Closing.TICKET_IS_OLD]


def test_only_so_many_conversations_are_open_at_once_and_ones_own_stay_longest(context):
    def open_many():
        session.join("mine", is_party=True)
        for number in range(MOST_VIEWS + 5):
            session.join(f"c-{number}", is_party=False)

    session, _ = a_session(context, open_many)
    run(session)
    assert len(session.views) == MOST_VIEWS
    assert "mine" in session.views


def test_a_socket_that_is_over_leaves_nothing_behind(context):
    context.chat.add_conversation(status="active", operator={"id": "operator-1", "name": "Olga"})
    session, _ = a_session(context)
    run(session)
    assert context.fanout.operators_of("customer-1") == ()
    assert context.fanout.members_showing("customer-1", "c-1") == ()


def test_an_accident_in_one_socket_ends_that_socket_alone(context):
    session, connection = a_session(context, {"type": "sync", "conversation_id": "c-1", "after": 0})

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    session._here.chat.state = broken
    run(session)
    assert connection.is_closing
    assert context.fanout.operators_of("customer-1") == ()
