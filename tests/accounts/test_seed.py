import contextlib
import dataclasses
import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from services.accounts.operators.model import EmailTaken
from services.accounts.seed import Seed, seed
from services.accounts.sessions import actions
from services.accounts.sessions.model import SessionNotLive, WrongCredentials
from services.accounts.sites.model import SiteKeyTaken
from services.accounts.staff import actions as staff_actions
from services.accounts.staff.model import StaffSessionNotLive
from tests.accounts.builders import NOW, outbox
from tests.settings import environment_of

WANTED = {
    "customer": {"name": "Lamps & Co"},
    "site": {"name": "Lamps", "origins": ["http://localhost:9000"]},
    "operators": [
        {"email": "Olivia@lamps.example", "name": "Olivia", "role": "owner", "password": "correct horse battery"},
        {"email": "oscar@lamps.example", "name": "Oscar", "role": "operator", "password": "correct horse battery"},
    ],
}


def sown(context, wanted=WANTED):
    return seed(Seed.model_validate(wanted), context=context, now=NOW)


def changed(**fields):
    return WANTED | fields


def contents(context):
    """All that is kept but for what must differ from run to run."""
    return {
        name: [
            {key: value for key, value in document.items() if key not in ("_id", "password_hash", "site_key")}
            for document in context.database[name].find().sort("name")
        ]
        for name in ("customers", "sites", "operators")
    }


def sign_in(context, email, password):
    return actions.sign_in(
        email,
        password,
        ip="",
        user_agent="",
        now=NOW,
        operators=context.operators,
        sessions=context.sessions,
        audit=context.audit,
        passwords=context.passwords,
        limits=context.limits,
    )


def test_it_makes_a_customer_a_site_and_operators(context):
    made = sown(context)

    assert context.customers.get(made["customer_id"]).name == "Lamps & Co"
    site = context.sites.by_key(made["site_key"])
    assert (site.site_id, site.customer_id) == (made["site_id"], made["customer_id"])
    assert site.origins == ("http://localhost:9000",)
    assert [(one["email"], one["role"]) for one in made["operators"]] == [
        ("olivia@lamps.example", "owner"),
        ("oscar@lamps.example", "operator"),
    ]
    assert sign_in(context, "olivia@lamps.example", "correct horse battery")


def test_it_makes_staff_who_are_no_operators(context):
    staff = [{"email": "Lea@velaro.example", "name": "Lea", "role": "legal", "password": "correct horse battery"}]
    made = sown(context, changed(staff=staff))

    assert [(one["email"], one["role"]) for one in made["staff"]] == [("lea@velaro.example", "staff-legal")]
    assert sown(context, changed(staff=staff)) == made
    with pytest.raises(WrongCredentials):
        sign_in(context, "lea@velaro.example", "correct horse battery")


def test_a_changed_password_of_staff_ends_their_sessions(context):
    staff = {"email": "lea@velaro.example", "name": "Lea", "role": "legal", "password": "correct horse battery"}
    sown(context, changed(staff=[staff]))
    secret, _ = staff_sign_in(context, staff)

    sown(context, changed(staff=[staff | {"role": "admin", "password": "another good password"}]))

    with pytest.raises(StaffSessionNotLive):
        staff_actions.identity(
            secret, now=NOW, staff=context.staff, sessions=context.staff_sessions, limits=context.limits
        )
    _, identity = staff_sign_in(context, staff | {"password": "another good password"})
    assert identity.role == "staff-admin"


def staff_sign_in(context, who):
    return staff_actions.sign_in(
        who["email"],
        who["password"],
        ip="",
        user_agent="",
        now=NOW,
        staff=context.staff,
        sessions=context.staff_sessions,
        audit=context.audit,
        passwords=context.passwords,
        limits=context.limits,
    )


def test_again_it_makes_nothing_twice(context):
    first = sown(context)
    before = contents(context)

    assert sown(context) == first
    assert contents(context) == before


def test_a_site_key_that_was_asked_for_is_given(context):
    made = sown(context, changed(site=WANTED["site"] | {"site_key": "demo-site-key"}))

    assert made["site_key"] == "demo-site-key"


class Killed(BaseException):
    """Stands for the end of the process."""


class Dying:
    """A store that dies at its n-th call of a life shared with others."""

    def __init__(self, store, life):
        self._store = store
        self._life = life

    def __getattr__(self, name):
        def call(*args, **kwargs):
            if not self._life:
                raise Killed
            self._life.pop()
            return getattr(self._store, name)(*args, **kwargs)

        return call


@pytest.mark.parametrize("calls", range(8))
def test_stopped_half_way_the_next_run_completes_it(context, calls):
    life = [None] * calls
    stores = {name: Dying(getattr(context, name), life) for name in ("customers", "sites", "operators")}
    with contextlib.suppress(Killed):
        sown(dataclasses.replace(context, **stores))

    made = sown(context)

    assert {name: len(documents) for name, documents in contents(context).items()} == {
        "customers": 1,
        "sites": 1,
        "operators": 2,
    }
    assert sown(context) == made


def test_it_corrects_what_is_there(context):
    first = sown(context)
    operator = WANTED["operators"][1] | {"name": "Oskar", "role": "admin", "password": "another good password"}

    again = sown(context, changed(site=WANTED["site"] | {"origins": ["http://localhost:9100"]}, operators=[operator]))

    assert again["site_key"] == first["site_key"]
    assert context.sites.by_key(again["site_key"]).origins == ("http://localhost:9100",)
    assert again["operators"] == [first["operators"][1] | {"name": "Oskar", "role": "admin"}]
    assert sign_in(context, "oscar@lamps.example", "another good password")
    with pytest.raises(WrongCredentials):
        sign_in(context, "oscar@lamps.example", "correct horse battery")


def test_a_changed_password_ends_the_sessions_that_stood_on_the_old_one(context):
    sown(context)
    _, session, _ = sign_in(context, "oscar@lamps.example", "correct horse battery")

    sown(context, changed(operators=[WANTED["operators"][1] | {"password": "another good password"}]))

    with pytest.raises(SessionNotLive):
        context.sessions.get(session.customer_id, session.session_id, now=NOW, idle=context.limits.idle)
    assert [event["session_id"] for event in outbox(context)] == [session.session_id]


def test_nobody_is_taken_from_another_customer(context):
    sown(context)

    with pytest.raises(EmailTaken):
        sown(context, changed(customer={"name": "Other"}))
    key = sown(context)["site_key"]
    with pytest.raises(SiteKeyTaken):
        sown(context, changed(customer={"name": "Third"}, site=WANTED["site"] | {"site_key": key}, operators=[]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer": {"name": ""}},
        {"customer": {"name": {"$ne": 1}}},
        {"site": {"name": "x", "origins": []}},
        {"site": {"name": "x", "origins": ["not an origin"]}},
        {"site": {"name": "x", "origins": ["https://a.example"], "site_key": "no good!"}},
        {"operators": [{"email": "a@b", "name": "A", "role": "owner", "password": "short"}]},
        {"operators": [{"email": "no address", "name": "A", "role": "owner", "password": "x" * 12}]},
        {"operators": [{"email": "a@b", "name": "A", "role": "emperor", "password": "x" * 12}]},
        {"extra": 1},
    ],
)
def test_bad_input_is_refused(wrong):
    with pytest.raises(ValidationError):
        Seed.model_validate(changed(**wrong))


def run(settings, text):
    command = [sys.executable, "-m", "services.accounts", "seed"]
    environment = environment_of(settings, log_level="INFO")
    return subprocess.run(command, env=environment, input=text, capture_output=True, text=True, timeout=60)


def test_the_command_reads_json_and_prints_nothing_else(settings, context):
    first = run(settings, json.dumps(WANTED))
    sign_in(context, "oscar@lamps.example", "correct horse battery")
    operators = [one | {"password": "another good password"} for one in WANTED["operators"]]
    second = run(settings, json.dumps(changed(operators=operators)))

    assert (first.returncode, first.stderr) == (0, "")
    assert set(json.loads(first.stdout)) == {"customer_id", "site_id", "site_key", "operators", "staff"}
    assert json.loads(second.stdout) == json.loads(first.stdout)
    assert "operator signed out" in second.stderr
    assert "password" not in first.stdout + second.stdout + second.stderr


@pytest.mark.parametrize("text", ["", "{", json.dumps(changed(customer={"name": 5})), "[]"])
def test_the_command_tells_what_is_wrong_and_nothing_else(settings, text):
    ended = run(settings, text)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr
    assert "Traceback" not in ended.stderr
    assert "correct horse" not in ended.stderr
