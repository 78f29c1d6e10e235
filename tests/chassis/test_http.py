import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chassis import correlation
from chassis.auth import Caller
from chassis.http import RemoteProblem, ServiceClient, ServiceUnavailable
from chassis.problems import Unavailable
from chassis.testing import Callers

CALLER = Caller(service="gateway", role="operator", customer_id="c1", subject="o1")


class Shop:
    """A real server that answers as told and remembers what it was asked."""

    def __init__(self):
        self.asked = []
        self.answers = []
        self.pause = 0.0
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                shop.asked.append((self.command, self.path, dict(self.headers), body))
                time.sleep(shop.pause)
                status, answer, headers = shop.answers.pop(0) if shop.answers else (200, b"{}", {})
                if status == "drop":
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(answer))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, status, body=None, **headers):
        self.answers.append((status, b"" if body is None else json.dumps(body).encode(), headers))


@pytest.fixture
def shop():
    made = Shop()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def callers():
    return Callers("gateway", "shop")


@pytest.fixture
def client(shop, callers):
    made = ServiceClient(shop.url, audience="shop", issuer=callers.issuer("gateway"), timeout=0.5)
    yield made
    made.close()


def test_the_caller_and_the_request_id_go_along(shop, client, callers):
    shop.answer(200, {"things": []})
    with correlation.bound("req-1"):
        assert client.get("/things", caller=CALLER, params={"limit": 3, "after": None}) == {"things": []}

    [(method, path, headers, _)] = shop.asked
    assert (method, path) == ("GET", "/things?limit=3")
    assert headers["X-Request-Id"] == "req-1"
    assert callers.verifier("shop").verify(headers["Authorization"].removeprefix("Bearer ")) == CALLER


def test_bodies_are_json_and_no_body_is_none(shop, client):
    shop.answer(201, {"thing_id": "t1"})
    shop.answer(204)
    shop.answer(200, {})

    assert client.post("/things", caller=CALLER, json={"name": "lamp"}) == {"thing_id": "t1"}
    assert client.delete("/things/t1", caller=CALLER) is None
    assert client.put("/things/t1", caller=CALLER, json=[]) == {}
    assert [(asked[0], asked[3]) for asked in shop.asked] == [
        ("POST", b'{"name": "lamp"}'),
        ("DELETE", b""),
        ("PUT", b"[]"),
    ]


def test_a_refusal_keeps_its_status_and_document(shop, client):
    shop.answer(409, {"code": "not-open", "detail": "Closed."})

    with pytest.raises(RemoteProblem) as refused:
        client.post("/things", caller=CALLER, json={})

    assert (refused.value.status, refused.value.code, refused.value.body["detail"]) == (409, "not-open", "Closed.")


def test_asking_is_repeated_once(shop, client):
    shop.answer(503)
    shop.answer(200, {"ok": True})

    assert client.get("/things", caller=CALLER) == {"ok": True}


def test_asking_is_not_repeated_twice(shop, client):
    shop.answer("drop")
    shop.answer(500)
    shop.answer(200, {})

    with pytest.raises(ServiceUnavailable):
        client.get("/things", caller=CALLER)
    assert len(shop.asked) == 2


@pytest.mark.parametrize("status", ["drop", 500, 502, 503])
def test_acting_is_never_repeated(shop, client, status):
    shop.answer(status)

    with pytest.raises(ServiceUnavailable):
        client.post("/things", caller=CALLER, json={})
    assert len(shop.asked) == 1


def test_a_service_that_is_not_there_or_too_slow_is_unavailable(callers):
    silent = ServiceClient("http://127.0.0.1:9", audience="shop", issuer=callers.issuer("gateway"), timeout=0.2)

    with pytest.raises(Unavailable):
        silent.post("/things", caller=CALLER)
    silent.close()


def test_what_is_slow_on_purpose_may_be_waited_for(shop, client):
    shop.pause = 0.8

    with pytest.raises(ServiceUnavailable):
        client.post("/things", caller=CALLER)
    assert client.post("/things", caller=CALLER, timeout=5) == {}


def test_an_answer_that_is_not_json_counts_as_none(shop, client):
    shop.answers.append((200, b"<html>", {}))

    with pytest.raises(ServiceUnavailable):
        client.post("/things", caller=CALLER)


def test_redirects_are_not_followed_and_cookies_not_kept(shop, client):
    shop.answer(302, None, Location="http://elsewhere.example/")
    shop.answer(200, {}, **{"Set-Cookie": "left=behind"})
    shop.answer(200, {})

    with pytest.raises(ServiceUnavailable):
        client.post("/things", caller=CALLER)
    client.get("/things", caller=CALLER)
    client.get("/things", caller=CALLER)

    assert "Cookie" not in shop.asked[-1][2]


def test_a_file_is_sent_as_it_is_and_fetched_as_it_is(shop, client):
    shop.answer(201, {"state": "waiting"})
    assert client.send("/files", b"\x00\xff", caller=CALLER, params={"action": "a"}, timeout=3) == {"state": "waiting"}
    [(method, path, headers, body)] = shop.asked
    assert (method, path, headers["Content-Type"], body) == (
        "POST",
        "/files?action=a",
        "application/octet-stream",
        b"\x00\xff",
    )

    shop.answers.append((200, b"\xff\xd8", {"Content-Type": "image/jpeg"}))
    assert client.fetch("/files/1", caller=CALLER, timeout=3) == (b"\xff\xd8", "image/jpeg")


def test_a_file_that_is_not_to_be_had_is_refused_like_everything_else(shop, client):
    shop.answer(404, {"code": "not-found"})
    with pytest.raises(RemoteProblem):
        client.fetch("/files/1", caller=CALLER, timeout=3)
    shop.answer(502)
    with pytest.raises(ServiceUnavailable):
        client.fetch("/files/1", caller=CALLER, timeout=3)
