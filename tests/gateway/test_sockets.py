"""The socket of a real gateway process: gunicorn with gevent, a real broker, stand-ins for accounts and chat."""

import json
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from chassis.clock import now
from chassis.testing import eventually
from contracts.accounts import SessionRevoked
from contracts.chat import (
    Capture,
    CommandRejected,
    ConversationAccepted,
    ConversationClosed,
    ConversationOpened,
    Sender,
)
from services.gateway.openings import Openings
from tests.gateway.raw import Raw
from tests.gateway.world import Gateway, Socket, World


@pytest.fixture(scope="module")
def world(amqp_url: str) -> Iterator[World]:
    with World(amqp_url).turning() as turning:
        yield turning


@pytest.fixture(scope="module")
def gateway(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(world, tmp_path_factory.mktemp("gateway"), workers=2).serving() as serving:
        yield serving
        assert serving.surprises() == []


@pytest.fixture(autouse=True)
def _talkative(world: World) -> Iterator[None]:
    yield
    world.is_silent = False


def messages(socket: Socket, count: int) -> list[int]:
    return [socket.until("message")["seq"] for _ in range(count)]


class TestAuthentication:
    @pytest.mark.parametrize(
        "first", ["{", "[]", "", "\0", '{"type":"auth"}', '{"type":"auth","ticket":{"$ne":1}}', '{"type":"sync"}']
    )
    def test_whoever_does_not_begin_with_a_ticket_is_closed(self, gateway, first):
        connection = Socket.bare(gateway.socket_url)
        connection.send(first)
        assert Socket.close_code(connection) == 4401

    def test_who_says_nothing_is_closed_after_five_seconds(self, gateway):
        began = time.monotonic()
        assert Socket.close_code(Socket.bare(gateway.socket_url)) == 4401
        assert 4 < time.monotonic() - began < 8

    def test_a_ticket_is_good_for_one_socket(self, gateway, world):
        ticket = world.ticket()
        with Socket(gateway.socket_url, lambda: ticket) as socket:
            assert socket.ready["heartbeat_s"] == 25
            again = Socket.bare(gateway.socket_url)
            again.send(json.dumps({"type": "auth", "ticket": ticket}))
            assert Socket.close_code(again) == 4401

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost"])
    def test_a_page_of_another_origin_is_refused(self, gateway, origin):
        with pytest.raises(InvalidStatus) as refusal:
            connect(gateway.socket_url, origin=origin, proxy=None, legacy=True)
        assert refusal.value.response.status_code == 403
        assert json.loads(refusal.value.response.body)["code"] == "cross-site"

    def test_our_own_pages_and_programs_are_welcome(self, gateway):
        for origin in (gateway.base_url, None):
            with connect(gateway.socket_url, origin=origin, proxy=None):
                continue

    def test_no_compression_is_agreed_on(self, gateway):
        with connect(gateway.socket_url, proxy=None, compression="deflate") as connection:
            assert connection.protocol.extensions == []

    def test_a_revoked_session_loses_its_sockets_and_others_do_not(self, gateway, world):
        with (
            gateway.socket("operator", "operator-9", session_id="s-1") as gone,
            gateway.socket("operator", "operator-9", session_id="s-2") as kept,
        ):
            event = {"customer_id": world.customer_id, "operator_id": "operator-9", "revoked_at": now()}
            world.publish(SessionRevoked(session_id="s-1", **event))
            assert Socket.close_code(gone.connection) == 4403
            kept.send(type="sync", conversation_id="none", after=0)
            assert kept.until("rejected")["code"] == "not-found"


class TestMessages:
    def test_both_parties_see_a_message_once_whichever_process_they_are_on(self, gateway, world):
        cid = world.conversation()
        for _ in range(6):
            with gateway.socket() as visitor, gateway.socket("operator", "operator-1") as operator:
                echo = visitor.say(cid, "hello")
                seen = operator.until("message")
                assert (seen["seq"], seen["text"], seen["client_id"]) == (echo["seq"], "hello", echo["client_id"])
                assert seen["sender"] == {"kind": "visitor", "id": "visitor-1", "name": "Visitor-1"}

    def test_ready_lists_what_one_takes_part_in(self, gateway, world):
        mine = world.conversation(visitor_id="visitor-7", operator={"id": "operator-7", "name": "O"})
        world.say(mine)
        with gateway.socket("operator", "operator-7") as operator:
            assert operator.ready["conversations"] == [{"conversation_id": mine, "status": "active", "last_seq": 1}]

    def test_fast_messages_of_one_sender_stay_in_order(self, gateway, world):
        cid = world.conversation()
        with gateway.socket() as visitor, gateway.socket("operator", "operator-1") as operator:
            for number in range(60):
                visitor.send(type="message", conversation_id=cid, client_id=f"fast-{number}", text=str(number))
            texts = [operator.until("message")["text"] for _ in range(60)]
            assert texts == [str(number) for number in range(60)]
            assert messages(visitor, 60) == list(range(1, 61))

    def test_what_the_bus_did_not_bring_is_fetched_and_comes_in_its_place(self, gateway, world):
        cid = world.conversation()
        with gateway.socket() as visitor:
            world.say(cid)
            assert messages(visitor, 1) == [1]
            world.is_silent = True
            world.say(cid)
            world.say(cid)
            world.is_silent = False
            world.say(cid)
            assert messages(visitor, 3) == [2, 3, 4]

    def test_what_is_missing_at_the_end_is_fetched_as_well(self, gateway, world):
        cid = world.conversation()
        with gateway.socket() as visitor:
            world.is_silent = True
            world.say(cid)
            world.conversations[cid]["status"] = "closed"
            closed_by = Sender(kind="operator", id="operator-1", name="O")
            common = {"customer_id": world.customer_id, "conversation_id": cid, "caused_by": "x", "site_id": "s"}
            times = {"closed_at": now(), "last_seq": 1, "digest": ""}
            world.publish(ConversationClosed(visitor_id="visitor-1", closed_by=closed_by, **common, **times))
            assert messages(visitor, 1) == [1]

    def test_an_event_that_comes_twice_is_shown_once(self, gateway, world):
        cid = world.conversation()
        with gateway.socket() as visitor:
            event = world.say(cid)
            world.publish(event)
            world.say(cid)
            assert messages(visitor, 2) == [1, 2]

    def test_a_sync_brings_everything_after_and_then_the_state(self, gateway, world):
        cid = world.conversation()
        for _ in range(450):
            world.logs[cid].append(world_message(len(world.logs[cid]) + 1))
        with gateway.socket() as visitor:
            visitor.send(type="sync", conversation_id=cid, after=3)
            assert messages(visitor, 447) == list(range(4, 451))
            state = visitor.until("conversation")
            assert (state["status"], state["last_seq"]) == ("active", 450)

    def test_what_is_said_during_a_sync_comes_after_it(self, gateway, world):
        cid = world.conversation()
        for _ in range(5):
            world.say(cid)
        with gateway.socket() as visitor:
            for _ in range(5):
                world.say(cid)
            visitor.send(type="sync", conversation_id=cid, after=2)
            for _ in range(5):
                world.say(cid)
            assert messages(visitor, 13) == list(range(3, 16))

    def test_a_client_that_missed_nothing_need_not_ask(self, gateway, world):
        cid = world.conversation()
        world.say(cid)
        with gateway.socket() as visitor:
            world.say(cid)
            assert messages(visitor, 1) == [2]

    def test_who_claims_to_know_the_future_still_gets_what_comes(self, gateway, world):
        cid = world.conversation()
        world.say(cid)
        with gateway.socket() as visitor:
            visitor.send(type="sync", conversation_id=cid, after=2**53)
            assert visitor.until("conversation")["last_seq"] == 1
            world.say(cid)
            assert messages(visitor, 1) == [2]

    def test_a_message_said_again_is_stored_once_and_answered_again(self, gateway, world):
        cid = world.conversation()
        with gateway.socket() as visitor:
            first = visitor.say(cid, "once", "same-id")
        with gateway.socket() as visitor:
            again = visitor.say(cid, "once", "same-id")
        assert (first["seq"], first["message_id"]) == (again["seq"], again["message_id"])
        assert len(world.logs[cid]) == 1

    def test_a_visitor_joins_what_it_opens_elsewhere_and_an_operator_what_it_accepts(self, gateway, world):
        with gateway.socket("visitor", "visitor-5") as visitor, gateway.socket("operator", "operator-1") as operator:
            cid = world.conversation(visitor_id="visitor-5")
            common = {"customer_id": world.customer_id, "conversation_id": cid, "caused_by": "x", "site_id": "s"}
            opened = {"visitor_name": "V", "acknowledged_policy_version": "1", "capture": Capture(), "opened_at": now()}
            world.publish(ConversationOpened(visitor_id="visitor-5", **common, **opened))
            assert visitor.until("conversation", conversation_id=cid)["status"] == "queued"
            assert operator.until("conversation", conversation_id=cid)["status"] == "queued"
            world.say(cid)
            accepted = {"operator_id": "operator-1", "operator_name": "Olga", "accepted_at": now()}
            world.publish(ConversationAccepted(visitor_id="visitor-5", **common, **accepted))
            world.say(cid)
            assert visitor.until("message")["seq"] == 1
            assert [operator.until("message", conversation_id=cid)["seq"] for _ in range(2)] == [1, 2]

    def test_an_operator_without_part_in_it_can_open_it_and_gets_summaries_until_then(self, gateway, world):
        cid = world.conversation()
        with gateway.socket("operator", "operator-3") as onlooker:
            world.say(cid, "first")
            summary = onlooker.until("conversation", conversation_id=cid)
            assert summary["last_message"]["text"] == "first"
            onlooker.send(type="sync", conversation_id=cid, after=0)
            assert messages(onlooker, 1) == [1]
            world.say(cid)
            assert messages(onlooker, 1) == [2]

    def test_a_poll_without_socket_wakes_up_for_a_message(self, gateway, world):
        cid = world.conversation()
        path = f"{gateway.base_url}/api/v1/widget/conversations/{cid}/messages?after=0&wait=20"
        with ThreadPoolExecutor(1) as pool:
            polling = pool.submit(requests.get, path, headers={"Authorization": "Bearer visitor-token"}, timeout=30)
            began = time.monotonic()
            eventually(lambda: time.monotonic() - began > 1)
            world.say(cid)
            assert [message["seq"] for message in polling.result(10).json()["messages"]] == [1]
        assert time.monotonic() - began < 10


class TestRejections:
    def test_a_refusal_goes_to_its_sender_alone(self, gateway, world):
        cid = world.conversation(status="closed")
        with gateway.socket() as visitor, gateway.socket() as other:
            visitor.send(type="message", conversation_id=cid, client_id="late", text="hello?")
            refused = visitor.until("rejected")
            assert (refused["client_id"], refused["code"], refused["conversation_id"]) == ("late", "not-open", cid)
            world.publish(
                CommandRejected(
                    customer_id=world.customer_id, conversation_id=cid, caused_by="x", code="not-open", detail=""
                )
            )
            other.send(type="sync", conversation_id="none", after=0)
            assert other.receive()["code"] == "not-found"

    def test_what_is_unknown_is_not_found(self, gateway):
        with gateway.socket() as visitor:
            visitor.send(type="message", conversation_id="unknown", client_id="c", text="x")
            assert visitor.until("rejected")["code"] == "not-found"

    def test_what_may_be_about_to_open_is_not_there_for_now_and_then_it_is(self, gateway, world):
        cid = Openings(world.key).new_id("visitor-1")
        path = f"{gateway.base_url}/api/v1/widget/conversations/{cid}"
        token = {"Authorization": "Bearer visitor-token"}
        with gateway.socket() as visitor, gateway.socket("visitor", "visitor-2") as stranger:
            for socket in (visitor, stranger):
                socket.send(type="sync", conversation_id=cid, after=0)
            assert visitor.until("rejected")["code"] == "unavailable"
            assert stranger.until("rejected")["code"] == "not-found"
            for answer in (requests.get(path + end, headers=token, timeout=30) for end in ("", "/messages")):
                assert answer.status_code == 503
                assert int(answer.headers["Retry-After"]) > 0
            world.conversation(conversation_id=cid)
            visitor.send(type="sync", conversation_id=cid, after=0)
            assert visitor.until("conversation")["status"] == "active"

    def test_what_is_erased_is_gone_at_once_however_young_it_is(self, gateway, world):
        cid = Openings(world.key).new_id("visitor-1")
        world.erased.add(cid)
        with gateway.socket() as visitor:
            visitor.send(type="sync", conversation_id=cid, after=0)
            assert visitor.until("rejected")["code"] == "not-found"
        path = f"{gateway.base_url}/api/v1/widget/conversations/{cid}/messages"
        answer = requests.get(path, headers={"Authorization": "Bearer visitor-token"}, timeout=30)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")

    def test_an_analyst_only_reads(self, gateway, world):
        cid = world.conversation()
        with gateway.socket("operator", "operator-1", role="analyst") as analyst:
            analyst.send(type="message", conversation_id=cid, client_id="c", text="x")
            assert analyst.until("rejected")["code"] == "forbidden"

    def test_a_malformed_frame_is_rejected_and_many_end_the_socket(self, gateway):
        with gateway.socket() as visitor:
            visitor.send(type="message", client_id="mine", text={"$ne": 1})
            assert visitor.until("rejected")["client_id"] == "mine"
            with suppress(ConnectionClosed):
                for _ in range(30):
                    visitor.connection.send("{")
            assert Socket.close_code(visitor.connection) == 4429

    def test_too_many_messages_are_rejected_and_far_too_many_end_the_socket(self, gateway, world):
        cid = world.conversation()
        with gateway.socket() as visitor:
            with suppress(ConnectionClosed):
                for number in range(1500):
                    visitor.send(type="message", conversation_id=cid, client_id=f"m-{number}", text="x")
            assert visitor.until("rejected")["code"] == "too-fast"
            assert Socket.close_code(visitor.connection) == 4429


class TestSignals:
    def test_typing_and_read_marks_reach_the_other_party_without_what_was_typed(self, gateway, world):
        cid = world.conversation()
        with gateway.socket() as visitor, gateway.socket("operator", "operator-1") as operator:
            visitor.send(type="typing", conversation_id=cid, text="a secret")
            typing = operator.until("typing")
            assert (typing["sender"]["id"], "text" in typing) == ("visitor-1", False)
            operator.send(type="read", conversation_id=cid, seq=3)
            assert visitor.until("read")["seq"] == 3

    def test_who_only_looks_on_sends_and_gets_no_signals(self, gateway, world):
        cid = world.conversation()
        with gateway.socket() as visitor, gateway.socket("operator", "operator-3") as onlooker:
            onlooker.send(type="sync", conversation_id=cid, after=0)
            onlooker.until("conversation")
            onlooker.send(type="typing", conversation_id=cid)
            visitor.send(type="typing", conversation_id=cid)
            echo = visitor.say(cid, "x")
            assert onlooker.receive()["seq"] == echo["seq"]


def world_message(seq: int) -> dict:
    sender = {"kind": "visitor", "id": "visitor-1", "name": "V"}
    return {
        "seq": seq,
        "message_id": f"m-{seq}",
        "client_id": f"c-{seq}",
        "sender": sender,
        "text": "x" * 300,
        "sent_at": now().isoformat(),
    }


BAD = json.dumps({"type": "nonsense"}).encode()
PROTOCOL = [
    ("a ping is answered with its own data", [(0x89, b"payload")], (0x8A, b"payload")),
    ("a pong nobody asked for is passed over", [(0x8A, b"x"), (0x89, b"")], (0x8A, b"")),
    ("a close is answered with its own code", [(0x88, struct.pack("!H", 1000))], (0x88, struct.pack("!H", 1000))),
    ("a close without a code is answered without one", [(0x88, b"")], (0x88, b"")),
    ("an unmasked frame breaks the protocol", [(0x81, BAD, False)], 1002),
    ("a reserved bit breaks the protocol", [(0xC1, BAD)], 1002),
    ("a reserved opcode breaks the protocol", [(0x83, BAD)], 1002),
    ("a reserved control opcode breaks the protocol", [(0x8B, b"")], 1002),
    ("a fragmented ping breaks the protocol", [(0x09, b"")], 1002),
    ("a ping of more than 125 bytes breaks the protocol", [(0x89, b"x" * 126)], 1002),
    ("a continuation of nothing breaks the protocol", [(0x80, b"x")], 1002),
    ("a new message inside another breaks the protocol", [(0x01, b"{"), (0x81, b"}")], 1002),
    ("a close of one byte breaks the protocol", [(0x88, b"x")], 1002),
    ("a close code that is not for the wire breaks the protocol", [(0x88, struct.pack("!H", 1006))], 1002),
    ("a close whose reason is not UTF-8 is no text", [(0x88, struct.pack("!H", 1000) + b"\xff")], 1007),
    ("binary is not understood", [(0x82, BAD)], 1003),
    ("what is not UTF-8 is no text", [(0x81, b"\xc3\x28")], 1007),
    ("text cut inside a character is no text", [(0x01, b"\xe2\x82"), (0x80, b"")], 1007),
    ("more than 64 KiB is too much", [(0x81, b"x" * 65537)], 1009),
    ("more than 64 KiB in pieces is too much", [(0x01, b"x" * 40000), (0x80, b"x" * 40000)], 1009),
    ("a flood of pings ends the socket", [(0x89, b"")] * 400, 4429),
    ("a message in endless pieces ends the socket", [(0x01, b"x")] + [(0x00, b"")] * 400, 4429),
]


class TestProtocol:
    @pytest.mark.parametrize(("frames", "outcome"), [case[1:] for case in PROTOCOL], ids=[case[0] for case in PROTOCOL])
    def test_rfc_6455(self, gateway, world, frames, outcome):
        with Raw(gateway).shake_hands() as raw:
            raw.authenticate(world.ticket())
            with suppress(OSError):
                for head, data, *masked in frames:
                    raw.frame(head, data, is_masked=not masked)
            if isinstance(outcome, int):
                assert raw.until_closed() == outcome
            else:
                assert raw.read() == outcome

    def test_pieces_with_a_ping_between_them_make_one_message(self, gateway, world):
        with Raw(gateway).shake_hands() as raw:
            raw.authenticate(world.ticket())
            raw.frame(0x01, b'{"type":"sync","conver')
            raw.frame(0x89, b"still there?")
            raw.frame(0x00, b'sation_id":"none",')
            raw.frame(0x80, b'"after":0}')
            assert raw.read() == (0x8A, b"still there?")
            assert json.loads(raw.read()[1])["code"] == "not-found"

    def test_characters_may_be_cut_between_pieces(self, gateway, world):
        with Raw(gateway).shake_hands() as raw:
            raw.authenticate(world.ticket())
            text = '{"type":"x€"}'.encode()
            cut = text.index(b"\xe2") + 1
            raw.frame(0x01, text[:cut])
            raw.frame(0x80, text[cut:])
            assert json.loads(raw.read()[1])["code"] == "malformed"

    def test_bytes_may_come_one_at_a_time(self, gateway, world):
        with Raw(gateway).shake_hands() as raw:
            raw.authenticate(world.ticket())
            for byte in bytes([0x89, 0x81, 0, 0, 0, 0]) + b"!":
                raw.sock.sendall(bytes([byte]))
            assert raw.read() == (0x8A, b"!")

    def test_the_server_closes_the_connection_after_the_goodbye(self, gateway, world):
        with Raw(gateway).shake_hands() as raw:
            raw.authenticate(world.ticket())
            raw.frame(0x88, struct.pack("!H", 1000))
            raw.until_closed()
            assert raw.sock.recv(1) == b""


def test_who_does_not_read_is_told_that_it_is_too_slow_and_holds_up_nobody(gateway, world):
    cid = world.conversation(visitor_id="lazy", operator={"id": "elsewhere", "name": "Otto"})
    other = world.conversation()
    before = closed_for(gateway, 4408, "does not read")
    with (
        Raw(gateway, receives=65536).shake_hands() as lazy,
        gateway.socket("operator", "operator-1") as busy,
        ThreadPoolExecutor(2) as pool,
    ):
        lazy.authenticate(world.ticket(subject="lazy"))
        flood = pool.submit(world.say_much, cid, 600, "x" * 4000)
        slowest = pool.submit(slowest_of, busy, other, 40)
        eventually(lambda: closed_for(gateway, 4408, "does not read") > before, timeout=30)
        assert lazy.until_closed() == 4408
        assert slowest.result() < 5
        flood.result()


def slowest_of(socket: Socket, conversation_id: str, count: int) -> float:
    """How long the slowest of some messages took to come back."""

    def seconds() -> float:
        began = time.monotonic()
        socket.say(conversation_id, "quick")
        return time.monotonic() - began

    return max(seconds() for _ in range(count))


def test_history_waits_for_the_client_who_reads_it_slowly(gateway, world):
    cid = world.conversation(visitor_id="lazy")
    for number in range(600):
        world.logs[cid].append(world_message(number + 1) | {"text": "x" * 4000})
    with Raw(gateway, receives=65536).shake_hands() as lazy:
        lazy.authenticate(world.ticket(subject="lazy"))
        lazy.frame(0x81, json.dumps({"type": "sync", "conversation_id": cid, "after": 0}).encode())
        # Nothing is read until the server has to wait.
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 2)
        for seq in range(1, 601):
            head, data = lazy.read()
            assert head == 0x81, data
            assert json.loads(data)["seq"] == seq


def test_the_end_of_a_client_without_a_goodbye_is_noticed(gateway, world):
    before = measured(gateway, "velaro_gateway_sockets ")
    raw = Raw(gateway).shake_hands()
    raw.authenticate(world.ticket())
    eventually(lambda: measured(gateway, "velaro_gateway_sockets ") > before)
    raw.sock.close()
    eventually(lambda: measured(gateway, "velaro_gateway_sockets ") <= before)


def closed_for(gateway: Gateway, code: int, reason: str) -> float:
    return measured(gateway, f'velaro_gateway_sockets_closed_total{{code="{code}",reason="{reason}"}}')


def measured(gateway: Gateway, name: str) -> float:
    lines = requests.get(f"{gateway.base_url}/metrics", timeout=30).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))
