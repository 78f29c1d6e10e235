import pytest

from tests.accounts.builders import a_site

CHOICES = {
    "ip_capture": "full",
    "has_browser": True,
    "has_language": True,
    "page_capture": "path",
    "has_trail": True,
    "has_cookies": False,
    "invitation": None,
}
INVITATION = {"text": "Hello?", "after_seconds": 20, "after_pages": 2, "every_hours": 24}


def test_the_widget_finds_its_site_by_the_public_key(context, client, edge):
    site = context.sites.put("c1", a_site(departments=("Sales",)))

    reply = client.get(f"/internal/v1/sites/by-key/{site.site_key}", headers=edge.as_public())

    assert reply.json == {
        "site_id": site.site_id,
        "customer_id": "c1",
        "site_key": site.site_key,
        "name": "Shop",
        "origins": ["https://shop.example"],
        "departments": ["Sales"],
        "texts": site.texts,
        "theme": {"color": site.color},
        "ip_capture": "full",
        "cookies": {"enabled": False},
        "choices": CHOICES,
    }


@pytest.mark.parametrize("key", ["unknown-key", "%7B%22$ne%22:1%7D", "%00", "%ff", "a" * 3000])
def test_an_unknown_key_is_not_found(client, edge, key):
    reply = client.get(f"/internal/v1/sites/by-key/{key}", headers=edge.as_public())

    assert (reply.status_code, reply.json["code"]) == (404, "not-found")


def test_operators_see_the_sites_of_their_own_customer(context, client, edge, ann, eve):
    site = context.sites.put("c1", a_site())

    assert [
        one["site_id"] for one in client.get("/internal/v1/sites", headers=edge.as_operator(ann)).json["sites"]
    ] == [site.site_id]
    assert client.get("/internal/v1/sites", headers=edge.as_operator(eve)).json == {"sites": []}


def test_visitors_see_no_list_of_sites(client, edge):
    assert client.get("/internal/v1/sites", headers=edge.as_public()).status_code == 403


def test_an_owner_chooses_what_is_captured_and_an_operator_does_not(context, client, edge, ann, eve):
    mine, theirs = context.sites.put("c2", a_site("c2")), context.sites.put("c1", a_site())
    chosen = CHOICES | {"ip_capture": "off", "has_cookies": True, "invitation": INVITATION}

    def choose(site, operator, body):
        path = f"/internal/v1/sites/{site.site_id}/choices"
        return client.put(path, json=body, headers=edge.as_operator(operator))

    assert choose(mine, eve, chosen).json["choices"] == chosen
    assert choose(theirs, eve, chosen).status_code == 404
    assert choose(theirs, ann, chosen).status_code == 403
    for wrong in (
        {"ip_capture": "some"},
        {"has_trail": 1},
        {"invitation": INVITATION | {"text": " "}},
        {"invitation": INVITATION | {"every_hours": 0}},
        {"more": True},
    ):
        assert choose(mine, eve, chosen | wrong).status_code == 422
