"""What stands around transcripts in its tests: chat, as a real HTTP server, and an environment."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import msgspec
from flask import Flask, Response, request

from chassis.auth import TokenVerifier
from contracts.chat import MessagePosted
from services.transcripts.settings import Settings
from tests.transcripts.builders import Dialogue, shown


class ChatServer:
    """Answers for the conversations it holds; others are not found, unless they are to be answered otherwise."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier
        self._logs: dict[tuple[str | None, str], list[MessagePosted]] = {}
        self.instead: dict[str, int] = {}
        self.questions: list[tuple[str, int]] = []
        self.url = ""

    def hold(self, dialogue: Dialogue, messages: Iterable[MessagePosted] | None = None) -> None:
        kept = dialogue.messages if messages is None else list(messages)
        self._logs[dialogue.customer_id, dialogue.conversation_id] = kept

    @contextmanager
    def running(self, port: int = 0) -> Iterator["ChatServer"]:
        server = make_server("127.0.0.1", port, self._application(), WSGIServer, _Silent)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def _application(self) -> Flask:
        app = Flask("chat")
        app.add_url_rule("/internal/v1/conversations/<conversation_id>/messages", view_func=self._messages)
        return app

    def _messages(self, conversation_id: str) -> Response:
        caller = self._verifier.verify(request.headers["Authorization"].removeprefix("Bearer "))
        assert caller.role == "service"
        after, limit = int(request.args["after"]), int(request.args["limit"])
        self.questions.append((conversation_id, after))
        if status := self.instead.get(conversation_id):
            return Response(status=status)
        log = self._logs.get((caller.customer_id, conversation_id))
        if log is None:
            return Response(b'{"code":"not-found"}', status=404, content_type="application/problem+json")
        page = [shown(message) for message in log if message.seq > after][:limit]
        body = {"messages": page, "last_seq": len(log), "status": "closed", "is_sealed": False}
        return Response(msgspec.json.encode(body), content_type="application/json")


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


def environment_of(settings: Settings) -> dict[str, str]:
    """What a process of transcripts must find in its environment to have these settings."""
    chosen = settings.model_dump(mode="json")
    for secret in ("amqp_url", "tasks_url", "mongo_url", "service_key"):
        chosen[secret] = getattr(settings, secret).get_secret_value()
    return {"PATH": os.environ["PATH"]} | {f"VELARO_{name.upper()}": value for name, value in chosen.items()}
