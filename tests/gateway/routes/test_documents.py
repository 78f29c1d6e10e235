import re

from flask import template_rendered

PARAMETER = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
NOT_FOR_PROGRAMS = {
    "static",
    "openapi.spec",
    "documents.asyncapi_document",
    "documents.docs",
}


def test_the_openapi_document_and_the_routes_are_the_same(client):
    spec = client.get("/api/v1/openapi.json").json
    documented = {
        (method.upper(), path) for path, item in spec["paths"].items() for method in item if method != "parameters"
    }
    routed = {
        (method, PARAMETER.sub(r"{\1}", rule.rule))
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if rule.endpoint not in NOT_FOR_PROGRAMS and not rule.endpoint.startswith(("pages.", "questions.", "chassis."))
    }
    assert documented == routed


def test_every_operation_that_needs_a_credential_says_so(client):
    spec = client.get("/api/v1/openapi.json").json
    public = {
        "/api/v1/certificate-keys",
        "/api/v1/policy",
        "/api/v1/policy/versions",
        "/api/v1/policy/versions/{version}",
        "/api/v1/sessions",
        "/api/v1/staff/sessions",
        "/api/v1/widget/config",
        "/api/v1/widget/cookie",
        "/api/v1/widget/visits",
        "/ws/v1",
    }
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                assert bool(operation.get("security")) == (path not in public), f"{method} {path}"


def test_the_page_shows_every_operation_and_frame_and_loads_nothing(client):
    page = client.get("/api/docs")
    assert page.status_code == 200
    spec = client.get("/api/v1/openapi.json").json
    for path in spec["paths"]:
        assert path in page.text
    assert "4408" in page.text
    assert "https://" not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]


def test_the_page_is_made_once_and_has_a_nonce_of_its_own_each_time(client):
    made = []
    template_rendered.connect(lambda _app, template, **_: made.append(template.name), client.application, weak=False)
    pages = [client.get("/api/docs") for _ in range(2)]
    nonces = [re.search("'nonce-(.+?)'", page.headers["Content-Security-Policy"])[1] for page in pages]
    assert made == ["docs.html"]
    assert nonces[0] != nonces[1]
    for page, nonce in zip(pages, nonces, strict=True):
        assert f'<style nonce="{nonce}">' in page.text


def test_the_asyncapi_document_is_served(client):
    assert client.get("/api/v1/asyncapi.json").json["asyncapi"] == "3.0.0"


def test_the_policy_is_public(client):
    assert client.get("/api/v1/policy").json["in_force"]["version"] == "3"


def test_asking_for_the_socket_without_a_handshake_is_a_problem(client):
    answer = client.get("/ws/v1")
    assert (answer.status_code, answer.json["code"]) == (426, "upgrade-required")
    assert answer.headers["Upgrade"] == "websocket"
    assert client.post("/ws/v1").status_code == 405


HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def test_a_handshake_that_is_wrong_is_a_problem(client):
    def asked(**changes):
        answer = client.get("/ws/v1", headers=HANDSHAKE | changes, environ_overrides={"SERVER_PROTOCOL": "HTTP/1.1"})
        assert answer.content_type == "application/problem+json"
        return answer.status_code

    assert asked(Origin="https://evil.example") == 403
    assert asked(Origin="null") == 403
    assert asked(**{"Sec-WebSocket-Key": "short"}) == 400
    assert asked(**{"Sec-WebSocket-Version": "8"}) == 426
    assert asked(Connection="close") == 426
    # A good one cannot be served by a server that does not hand its connection over.
    assert asked(Origin="http://localhost:8080") == 501
