import pytest

from chassis.http import RemoteProblem, ServiceUnavailable


def test_it_is_ready_when_it_is_on_the_bus(client):
    assert client.get("/ready").status_code == 200
    client.here.bus.state = "blocked"
    assert client.get("/ready").json["failing"] == ["bus"]
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("remote", "status", "code"),
    [
        (RemoteProblem(401, {"code": "not-authenticated"}), 503, "unavailable"),
        (RemoteProblem(400, {}), 503, "unavailable"),
        (RemoteProblem(403, {"code": "forbidden"}), 403, "forbidden"),
        (RemoteProblem(422, {"code": "invalid", "errors": []}), 422, "invalid"),
        (ServiceUnavailable("chat"), 503, "unavailable"),
    ],
)
def test_what_other_services_refuse_is_told_where_it_concerns_the_caller(client, operator, remote, status, code):
    client.here.chat.failure = remote
    answer = client.get("/api/v1/conversations", headers=operator)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert answer.content_type == "application/problem+json"


def test_there_is_no_word_for_what_is_not_there(client):
    answer = client.get("/api/v1/nothing")
    assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    assert client.put("/api/v1/policy").status_code == 405
