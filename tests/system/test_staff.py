"""Staff work for all customers and hear the words of none: no call of any role gives one."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import requests

from chassis.testing import eventually
from deploy.local.stack import Stack
from deploy.secrets import STAFF_ROLES
from tests.edge.customers import Customer
from tests.edge.http import made
from tests.edge.people import ANSWERS, Staff

STAFF = "/api/v1/staff"
MARKER = f"marker{uuid4().hex}"


@pytest.fixture(scope="module")
def staff(stack: Stack, demo_site: dict[str, Any]) -> Callable[[str], Staff]:
    def of(role: str) -> Staff:
        [one] = [one for one in demo_site["staff"] if one["role"] == role]
        return Staff(stack.instance.base_url, one["email"], one["password"])

    return of


@pytest.fixture(scope="module")
def ids(customer: Customer) -> dict[str, str]:
    """A conversation that is going on and a transcript, both full of what only the customer may read."""
    answers = ANSWERS | {"name": MARKER, "email": f"{MARKER}@example.org"}
    going_on = customer.visitor().open(MARKER, answers)
    operator = customer.operator()
    sealed = customer.visitor().open(MARKER, answers)
    operator.accept(sealed)
    operator.close(sealed)
    eventually(lambda: operator.transcript(sealed), timeout=30)
    return {"conversation_id": going_on, "transcript_id": sealed, "site_id": customer.site_id, "version": "1"}


@pytest.mark.parametrize("role", STAFF_ROLES)
def test_no_call_of_staff_gives_a_word_of_a_customer(
    staff: Callable[[str], Staff], customer: Customer, ids: dict[str, str], role: str
) -> None:
    person = staff(role)
    paths = made(person.edge.get("/api/v1/openapi.json"), 200)["paths"]
    for path, methods in paths.items():
        for method in methods:
            where = path.format_map(dict.fromkeys(missing(path, ids), "x") | ids | {"form": "json"})
            if (method, path) == ("delete", f"{STAFF}/sessions/current"):
                continue
            answer = person.edge.call(method.upper(), where, None if method == "get" else {})
            assert MARKER not in answer.text, where
            is_public = not methods[method].get("security")
            # A body that does not fit is refused before anybody looks who sent it.
            is_refused = answer.status_code in (401, 422)
            assert path.startswith(STAFF) or is_public or is_refused, (method, where, answer.status_code)


def missing(path: str, ids: dict[str, str]) -> list[str]:
    named = [part.strip("{}").split(":")[0] for part in path.replace(".", "/").split("/") if part.startswith("{")]
    return [name for name in named if name not in ids]


def test_an_operator_is_no_staff_and_the_cookie_of_one_is_none_of_the_other(
    staff: Callable[[str], Staff], customer: Customer
) -> None:
    person, operator = staff("admin"), customer.operator("owner")

    assert operator.edge.get(f"{STAFF}/sessions/current").status_code == 401
    assert person.edge.get("/api/v1/sessions/current").status_code == 401
    secret = next(cookie.value for cookie in person.edge._session.cookies if "staff" in cookie.name)
    sites = f"{customer.base_url}/api/v1/sites"
    for shown in ({"cookies": {"session": secret}}, {"headers": {"Authorization": f"Bearer {secret}"}}):
        assert requests.get(sites, timeout=10, **shown).status_code == 401


def test_another_site_cannot_use_the_browser_of_staff(staff: Callable[[str], Staff]) -> None:
    person = staff("legal")
    draft = {"summary": "x", "text": "x"}

    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = person.edge.call("PUT", f"{STAFF}/policy/draft", draft, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")


def test_signing_out_ends_the_session(staff: Callable[[str], Staff]) -> None:
    person = staff("support")
    cookies = {cookie.name: str(cookie.value) for cookie in person.edge._session.cookies}

    assert made(person.edge.get(f"{STAFF}/sessions/current"), 200)["staff"]["role"] == "support"
    assert person.edge.call("DELETE", f"{STAFF}/sessions/current").status_code == 204
    again = eventually(lambda: person.edge.call("GET", f"{STAFF}/sessions/current", cookies=cookies).status_code == 401)
    assert again
