import json
import threading
from typing import Literal

import pytest
from apiflask import APIBlueprint
from flask import request
from pydantic import Field, ValidationError

from chassis import correlation, web
from chassis.problems import Problem, Unavailable


class ShopClosed(Exception):
    """The shop is closed.

    This second paragraph is for programmers.
    """


class ShelfEmpty(Exception):
    """Nothing left of that."""

    members = {"errors": [{"field": "thing", "detail": "sold out"}]}


class Order(web.Body):
    thing: str = Field(max_length=100)
    count: int = 1
    size: Literal["small", "large"] = "small"
    by: web.Timestamp | None = None


class Page(web.Query):
    limit: int = Field(default=10, le=100)


class Line(web.Reply):
    thing: str


class Receipt(web.Reply):
    lines: list[Line]


@pytest.fixture
def broken():
    return set()


@pytest.fixture
def client(broken):
    def database():
        if "database" in broken:
            raise Unavailable

    app = web.service_app(
        "shop",
        title="Shop",
        readiness={"database": database, "broker": lambda: None},
        problems={ShopClosed: (409, "closed"), ShelfEmpty: (422, "invalid")},
    )
    app.register_blueprint(_blueprint())
    return app.test_client()


def _blueprint():
    blueprint = APIBlueprint("orders", __name__)

    @blueprint.post("/orders")
    @blueprint.input(Order)
    @blueprint.output(Receipt, 201)
    def order(json_data):
        """Order a thing."""
        return {"lines": [{"thing": json_data.thing}]}

    @blueprint.get("/orders")
    @blueprint.input(Page, location="query")
    def orders(query_data):
        return {"limit": query_data.limit, "request_id": correlation.current()}

    @blueprint.get("/fail/<how>")
    def fail(how):
        raise {
            "closed": ShopClosed("secret detail"),
            "empty": ShelfEmpty(),
            "unavailable": Unavailable("database at 10.0.0.1"),
            "problem": Problem(418, "teapot", "Short and stout.", headers={"Retry-After": "9"}),
            "surprise": RuntimeError("secret detail"),
        }[how]

    @blueprint.post("/upload")
    def upload():
        return {"size": len(request.get_data())}

    return blueprint


def problem(response, status, code):
    assert response.status_code == status, response.get_data()
    assert response.content_type == "application/problem+json"
    document = response.get_json(force=True) if hasattr(response, "get_json") else json.loads(response.data)
    assert document["code"] == code
    assert document["type"] == f"urn:velaro:problem:{code}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["request_id"] == response.headers["X-Request-Id"]
    return document


def post(client, body):
    return client.post("/orders", data=body, content_type="application/json")


def test_a_good_request_is_answered(client):
    response = client.post("/orders", json={"thing": "lamp", "by": "2026-01-01T00:00:00+02:00"})

    assert response.status_code == 201
    assert response.json == {"lines": [{"thing": "lamp"}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"thing": {"$ne": 1}}', "thing"),
        (b'{"thing": ["a"]}', "thing"),
        (b'{"thing": 7}', "thing"),
        (b'{"thing": null}', "thing"),
        (b'{"thing": "a", "count": "3"}', "count"),
        (b'{"thing": "a", "count": 3.5}', "count"),
        (b'{"thing": "a", "count": true}', "count"),
        (b'{"thing": "a", "size": "hunter2"}', "size"),
        (b'{"thing": "a", "by": 5}', "by"),
        (b'{"thing": "a", "by": "soon"}', "by"),
        (b'{"thing": "a", "by": "2026-01-01T00:00:00"}', "by"),
        (b'{"thing": "a", "$where": "1"}', "$where"),
        (b"{}", "thing"),
        (b"null", "thing"),
        (b"[]", ""),
        (b'"text"', ""),
        (b'{"thing": "' + b"x" * 101 + b'"}', "thing"),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused_by_field(client, body, field):
    document = problem(post(client, body), 422, "invalid")

    assert [error["field"] for error in document["errors"]] == [field]
    assert "hunter2" not in json.dumps(document)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"thing": "a"} {}',
        b'{"thing": "\xff"}',
        b'{"thing": "\\ud800"}',
        b'{"thing": NaN}',
        '{"thing": "a"}'.encode("utf-16"),
        b"[" * 60_000,
    ],
)
def test_what_is_not_json_in_utf8_is_malformed(client, body):
    problem(post(client, body), 400, "malformed")


def test_a_body_that_is_too_large_is_refused(client):
    problem(post(client, b'{"thing": "' + b"x" * 65_536 + b'"}'), 413, "too-large")
    problem(client.post("/upload", data=b"x" * 70_000), 413, "too-large")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_is_not_declared_as_json_is_refused(client, content_type):
    # Otherwise a form on a foreign page could send one.
    response = client.post("/orders", data=b'{"thing": "a"}', content_type=content_type)

    problem(response, 415, "unsupported-media-type")


def test_query_values_are_read_and_checked(client):
    assert client.get("/orders?limit=20").json["limit"] == 20
    assert problem(client.get("/orders?limit=many"), 422, "invalid")["errors"][0]["field"] == "limit"
    assert problem(client.get("/orders?limit=101"), 422, "invalid")["errors"][0]["field"] == "limit"
    assert problem(client.get("/orders?limit[$gt]=1"), 422, "invalid")["errors"][0]["field"] == "limit[$gt]"


def test_unknown_paths_and_methods_are_problems_too(client):
    problem(client.get("/nowhere"), 404, "not-found")
    response = client.delete("/orders")
    problem(response, 405, "method-not-allowed")
    assert "POST" in response.headers["Allow"]


def test_a_domain_error_becomes_its_status_and_its_first_line(client):
    document = problem(client.get("/fail/closed"), 409, "closed")

    assert document["detail"] == "The shop is closed."


def test_members_of_a_domain_error_join_the_document(client):
    document = problem(client.get("/fail/empty"), 422, "invalid")

    assert document["errors"] == [{"field": "thing", "detail": "sold out"}]


def test_what_is_missing_just_now_can_be_tried_again(client):
    response = client.get("/fail/unavailable")

    document = problem(response, 503, "unavailable")
    assert response.headers["Retry-After"]
    assert "10.0.0.1" not in json.dumps(document)


def test_a_problem_that_was_raised_is_told_as_it_is(client):
    response = client.get("/fail/problem")

    assert problem(response, 418, "teapot")["detail"] == "Short and stout."
    assert response.headers["Retry-After"] == "9"


def test_a_surprise_tells_nothing(client):
    assert "secret" not in json.dumps(problem(client.get("/fail/surprise"), 500, "internal"))


def test_the_request_id_is_taken_from_the_caller_or_made(client):
    given = client.get("/orders", headers={"X-Request-Id": "abc-1"})
    assert given.json["request_id"] == given.headers["X-Request-Id"] == "abc-1"

    made = client.get("/orders", headers={"X-Request-Id": "not fit"})
    assert made.json["request_id"] == made.headers["X-Request-Id"] != "not fit"
    assert correlation.current() == ""


def test_every_answer_has_safe_headers(client):
    for response in (client.get("/health"), client.get("/nowhere"), post(client, b"{")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cache-Control"] == "no-store"


def test_health_says_alive_whatever_is_missing(client, broken):
    broken.add("database")

    assert client.get("/health").status_code == 200


def test_readiness_names_what_is_missing(client, broken):
    assert client.get("/ready").status_code == 200

    broken.add("database")

    assert problem(client.get("/ready"), 503, "not-ready")["failing"] == ["database"]


def test_metrics_count_by_route_and_not_by_path(client):
    client.get("/fail/closed")
    client.get("/made-up-by-a-scanner")
    client.open("/fail/closed", method="MADEUP")

    text = client.get("/metrics").get_data(as_text=True)
    assert 'velaro_http_requests_total{method="GET",route="/fail/<how>",service="shop",status="409"}' in text
    assert 'route="unmatched"' in text
    assert "made-up" not in text
    assert 'method="other"' in text
    assert "MADEUP" not in text


def test_the_description_names_bodies_replies_and_problems(client):
    description = client.get("/openapi.json").json

    order = description["paths"]["/orders"]["post"]
    assert order["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/Order")
    assert "application/problem+json" in order["responses"]["422"]["content"]
    assert description["components"]["schemas"]["Order"]["additionalProperties"] is False
    assert "/metrics" not in description["paths"]


def test_requests_in_several_threads_keep_their_ids_apart(client):
    seen = {}

    def ask(number):
        response = client.application.test_client().get("/orders", headers={"X-Request-Id": f"req-{number}"})
        seen[number] = response.json["request_id"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen == {number: f"req-{number}" for number in range(8)}


def test_a_body_cannot_be_changed_after_it_was_checked():
    order = Order(thing="lamp")

    with pytest.raises(ValidationError):
        order.thing = "desk"
