import pytest

from services.accounts.app import create_app
from services.accounts.bootstrap import bootstrap

ROUTES = {"/health", "/ready", "/metrics", "/openapi.json"}


def test_every_route_wants_a_service_token(client):
    for rule in client.application.url_map.iter_rules():
        path = rule.rule.replace("<site_key>", "x").replace("<token_id>", "x").replace("<version>", "1")
        if path in ROUTES or rule.endpoint == "static":
            continue
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            reply = client.open(path, method=method)
            assert (reply.status_code, reply.json["code"]) == (401, "not-authenticated"), path


@pytest.mark.parametrize("path", sorted(ROUTES))
def test_machines_may_look_after_it(client, path):
    assert client.get(path).status_code == 200


def test_the_description_lists_every_route(client):
    described = client.get("/openapi.json").json["paths"]

    routes = {rule.rule for rule in client.application.url_map.iter_rules() if rule.rule.startswith("/internal")}
    assert {path.replace("{", "<").replace("}", ">") for path in described} == routes


def test_it_is_not_ready_without_its_database(settings):
    context = bootstrap(settings)
    client = create_app(context).test_client()
    assert client.get("/ready").status_code == 200

    context.database.client.close()

    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200
