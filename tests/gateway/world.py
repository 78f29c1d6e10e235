"""What surrounds a real gateway process in a test: stand-ins for accounts and chat, on real HTTP and a real broker."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import requests
from flask import Flask, request
from websockets.sync.client import ClientConnection, connect
from werkzeug.serving import make_server

from chassis.auth import Caller, TokenIssuer, TokenVerifier, new_key, public_keys
from chassis.bus import BatchConsumer, Bus, Delivery, WorkQueue
from chassis.clock import now
from chassis.ids import new_id
from chassis.testing import eventually
from contracts.chat import CommandRejected, MessagePosted, PostMessage, Sender
from contracts.partitions import partition_key
from contracts.payload import Event
from tests.edge import socket as edge

REPOSITORY = Path(__file__).resolve().parents[2]
OPERATOR_ID = "operator-1"


class Socket(edge.Socket):
    """A client's socket, which tests may hold without a ``with``."""

    @staticmethod
    def bare(url: str) -> ClientConnection:
        return connect(url, legacy=True, compression=None, close_timeout=2, proxy=None, ping_interval=None)


class World:
    """Accounts and chat as the gateway sees them. Switches make them misbehave."""

    def __init__(self, amqp_url: str) -> None:
        self.amqp_url = amqp_url
        self.customer_id = new_id()
        self.admitted: set[str] = set()
        self.conversations: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, list[dict[str, Any]]] = {}
        self.is_silent = False
        self.commands: list[Any] = []
        self.reads: list[str] = []
        self.erased: set[str] = set()
        self.key = new_key("gateway")
        self._verifier = TokenVerifier("chat", public_keys([self.key]))
        self.bus = Bus(amqp_url, service="tests")
        self._stop = threading.Event()
        self._server = make_server("127.0.0.1", 0, self._app(), threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"
        queue = WorkQueue("chat.p.00", single_active=True, key=partition_key(0, 1))
        relay = BatchConsumer(amqp_url, service="tests", queues=[queue], payloads=[PostMessage], handle=self._relay)
        self._threads = [
            threading.Thread(target=self._server.serve_forever),
            threading.Thread(target=relay.run, args=(self._stop,)),
        ]

    @contextmanager
    def turning(self) -> Iterator["World"]:
        self.bus.start()
        assert self.bus.wait_until_up(30)
        for thread in self._threads:
            thread.start()
        yield self
        self._stop.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join(20)
        self._server.server_close()
        self.bus.close()

    def publish(self, event: Event) -> None:
        self.bus.publish(event).result(10)

    def requests_for(self, conversation_id: str) -> list[str]:
        """How often the messages of a conversation were asked for."""
        return [one for one in self.reads if one == conversation_id]

    def ticket(self, kind: str = "visitor", subject: str = "visitor-1", **changes: Any) -> str:
        values = {"role": kind, "customer_id": self.customer_id, "subject": subject, "name": subject.title()} | changes
        return TokenIssuer("gateway", self.key).ticket_for(Caller(service="gateway", **values), "chat")

    def _admitted(self, ticket: str) -> dict[str, Any] | None:
        read = self._verifier.verify_ticket(ticket)
        if read.ticket_id in self.admitted:
            return None
        self.admitted.add(read.ticket_id)
        is_visitor = read.caller.role == "visitor"
        found = [
            self._state(cid)
            for cid, one in self.conversations.items()
            if (one["visitor_id"] if is_visitor else one["operator"]["id"]) == read.caller.subject
            and (is_visitor or one["status"] == "active")
        ]
        return {"standings": found}

    def conversation(self, **changes: Any) -> str:
        conversation_id = changes.get("conversation_id") or new_id()
        self.conversations[conversation_id] = {
            "conversation_id": conversation_id,
            "customer_id": self.customer_id,
            "visitor_id": "visitor-1",
            "status": "active",
            "operator": {"id": OPERATOR_ID, "name": "Olga"},
            "is_sealed": False,
        } | changes
        self.logs[conversation_id] = []
        return conversation_id

    def say_much(self, conversation_id: str, count: int, text: str) -> None:
        """Store and announce many messages as fast as the broker takes them."""
        self.is_silent = True
        events = [self.say(conversation_id, text) for _ in range(count)]
        self.is_silent = False
        for published in [self.bus.publish(event) for event in events]:
            published.result(30)

    def say(self, conversation_id: str, text: str = "", *, client_id: str = "", caused_by: str = "") -> MessagePosted:
        """Store a message as chat would; it is announced unless the world is silent."""
        said = self.logs[conversation_id]
        operator = self.conversations[conversation_id]["operator"]
        event = MessagePosted(
            customer_id=self.customer_id,
            conversation_id=conversation_id,
            caused_by=caused_by or new_id(),
            visitor_id=self.conversations[conversation_id]["visitor_id"],
            operator_id=operator["id"],
            seq=len(said) + 1,
            message_id=new_id(),
            client_id=client_id or new_id(),
            sender=Sender(kind="operator", id=operator["id"], name=operator["name"]),
            text=text or f"text {len(said) + 1}",
            sent_at=now(),
        )
        fields = msgspec.to_builtins(event)
        said.append({name: fields[name] for name in ("seq", "message_id", "client_id", "sender", "text", "sent_at")})
        if not self.is_silent:
            self.publish(event)
        return event

    def _relay(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            command = delivery.payload
            assert isinstance(command, PostMessage)
            self.commands.append(command)
            self._answer(command)

    def _answer(self, command: PostMessage) -> None:
        conversation = self.conversations.get(command.conversation_id)
        said = self.logs.get(command.conversation_id, [])
        if conversation is None or conversation["status"] == "closed":
            code = "not-found" if conversation is None else "not-open"
            common = {"customer_id": command.customer_id, "conversation_id": command.conversation_id}
            self.publish(CommandRejected(**common, caused_by=command.command_id, code=code, detail="No."))
            return
        known = next((one for one in said if one["client_id"] == command.client_id), None)
        event = MessagePosted(
            customer_id=command.customer_id,
            conversation_id=command.conversation_id,
            caused_by=command.command_id,
            visitor_id=conversation["visitor_id"],
            operator_id=OPERATOR_ID,
            seq=known["seq"] if known else len(said) + 1,
            message_id=known["message_id"] if known else new_id(),
            client_id=command.client_id,
            sender=command.sender,
            text=command.text,
            sent_at=now(),
        )
        if known is None:
            fields = msgspec.to_builtins(event)
            names = ("seq", "message_id", "client_id", "sender", "text", "sent_at")
            said.append({name: fields[name] for name in names})
        self.publish(event)

    def _app(self) -> Flask:
        app = Flask("world")

        @app.post("/internal/v1/admissions")
        def admit() -> Any:
            return {"admissions": [self._admitted(ticket) for ticket in request.json["tickets"]]}

        @app.get("/internal/v1/sessions/current")
        def session() -> Any:
            return {
                "kind": "session",
                "session_id": "session-1",
                "operator_id": OPERATOR_ID,
                "customer_id": self.customer_id,
                "role": "operator",
            }

        @app.get("/internal/v1/policy")
        def policy() -> Any:
            return {"in_force": {"version": "3", "effective_at": "2026-01-01T00:00:00Z"}, "upcoming": None}

        @app.post("/internal/v1/visitor-introspections")
        def introspect() -> Any:
            named = {"visitor_id": "visitor-1", "visit_id": "v", "site_id": "s", "name": "V"}
            mine = named | {"customer_id": self.customer_id}
            return {"visitors": [mine if token == "visitor-token" else None for token in request.json["tokens"]]}

        @app.get("/internal/v1/own-data")
        def own_data() -> Any:
            visitor = {"visitor_id": "visitor-1", "name": "V", "created_at": "2026-01-01T00:00:00Z"}
            return {"visitor": visitor, "visits": [], "consents": [], "captures": {}}

        @app.get("/internal/v1/responses")
        @app.get("/internal/v1/own-responses")
        def responses() -> Any:
            return {"responses": [], "next": None}

        @app.get("/internal/v1/conversations")
        def conversations() -> Any:
            status = request.args.get("status")
            found = [self._state(cid) for cid, one in self.conversations.items() if status in (None, one["status"])]
            return {"conversations": found, "next": None}

        @app.get("/internal/v1/conversations/<conversation_id>")
        def conversation(conversation_id: str) -> Any:
            if conversation_id not in self.conversations:
                return {"code": "erased" if conversation_id in self.erased else "not-found"}, 404
            return self._state(conversation_id)

        @app.get("/internal/v1/conversations/<conversation_id>/messages")
        def messages(conversation_id: str) -> Any:
            self.reads.append(conversation_id)
            if conversation_id not in self.conversations:
                return {"code": "erased" if conversation_id in self.erased else "not-found"}, 404
            after, limit = int(request.args["after"]), int(request.args["limit"])
            state, said = self._state(conversation_id), self.logs[conversation_id]
            page = said[after : after + limit]
            return {"messages": page, "last_seq": state["last_seq"], "status": state["status"], "is_sealed": False}

        return app

    def _state(self, conversation_id: str) -> dict[str, Any]:
        return self.conversations[conversation_id] | {"last_seq": len(self.logs[conversation_id])}


class Gateway:
    """A real gateway: gunicorn, gevent, its own processes."""

    def __init__(self, world: World, folder: Path, *, workers: int = 1, **settings: Any) -> None:
        self.world = world
        self.port = _free_port()
        self.base_url = f"http://localhost:{self.port}"
        self.log = folder / f"gateway-{self.port}.log"
        self._environment = {
            "VELARO_AMQP_URL": world.amqp_url,
            "VELARO_SERVICE_KEY": world.key,
            "VELARO_SERVICE_KEYS": public_keys([world.key]),
            "VELARO_PUBLIC_URL": self.base_url,
            "VELARO_PARTITIONS": "1",
            "VELARO_BIND": f"127.0.0.1:{self.port}",
            "VELARO_WORKERS": str(workers),
        }
        for service in ("ACCOUNTS", "CHAT", "TRANSCRIPTS", "SURVEYS"):
            self._environment[f"VELARO_{service}_URL"] = world.url
        self._environment |= {f"VELARO_{name.upper()}": str(value) for name, value in settings.items()}
        self.process: subprocess.Popen[bytes]

    @contextmanager
    def serving(self) -> Iterator["Gateway"]:
        command = [sys.executable, "-m", "gunicorn", "-c", "python:services.gateway.serving"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "services.gateway.app:create_app()"],
                cwd=REPOSITORY,
                env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | self._environment,
                stdout=log,
                stderr=log,
            )
            try:
                eventually(lambda: requests.get(self.base_url + "/ready", timeout=5).ok, timeout=60)
                yield self
            finally:
                self.stop()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def workers(self) -> list[int]:
        """The processes that serve."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    @property
    def socket_url(self) -> str:
        return self.base_url.replace("http", "ws", 1) + "/ws/v1"

    def socket(self, kind: str = "visitor", subject: str = "visitor-1", **changes: Any) -> Socket:
        return Socket(self.socket_url, lambda: self.world.ticket(kind, subject, **changes))

    def surprises(self) -> list[str]:
        """The lines of its log that should not be there."""
        return [line for line in self.log.read_text().splitlines() if '"level": "error"' in line or "Traceback" in line]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
