"""The tools that people run: what they print, and with which status they end."""

import subprocess
import sys

import pytest

from services.accounts.audit import actions
from services.accounts.audit.model import STAFF_CHAIN, SYSTEM, Act
from tests.accounts.conftest import callers
from tests.accounts.disclosures.test_sealing import a_bundle
from tests.accounts.disclosures.words import a_key, private_pem
from tests.settings import environment_of


@pytest.fixture
def run(context):
    def tool(*arguments):
        command = [sys.executable, "-m", "services.accounts", *map(str, arguments)]
        environment = environment_of(context.settings)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    return tool


@pytest.fixture
def fill(context):
    def chain(name, length):
        for number in range(length):
            act = Act(act_id=str(number), actor=SYSTEM, act="tests.fill", subject={})
            actions.note(name, act, audit=context.audit)

    return chain


def test_whole_chains_are_told_a_line_each(run, fill):
    fill("c1", 3)
    fill(STAFF_CHAIN, 2)

    done = run("verify-audit")

    assert done.returncode == 0, done.stderr
    assert [line.split(", hash")[0] for line in done.stdout.splitlines()] == [
        "c1: whole; entries: 3, signed heads: 0",
        "staff: whole; entries: 2, signed heads: 0",
    ]


def test_a_broken_chain_is_told_with_what_is_wrong(run, fill, context):
    fill("c1", 3)
    context.database["audit_entries"].delete_one({"number": 2})

    done = run("verify-audit", "--customer", "c1")

    assert done.returncode == 1
    assert "c1: BROKEN, problems: 2" in done.stdout
    assert "missing at 2" in done.stdout


def test_a_head_that_was_kept_elsewhere_shows_what_was_cut_off(run, fill, context, tmp_path):
    fill("c1", 3)
    signed = run("sign-audit", "--customer", "c1")
    assert signed.returncode == 0, signed.stderr
    kept = tmp_path / "head.jws"
    kept.write_text(signed.stdout)
    context.database["audit_entries"].delete_many({"number": {"$gt": 1}})
    context.database["audit_heads"].delete_many({})

    assert run("verify-audit", "--customer", "c1").returncode == 0
    done = run("verify-audit", "--customer", "c1", "--head", kept)

    assert done.returncode == 1
    assert "truncated at 3" in done.stdout


def test_what_makes_no_sense_is_told_in_a_line(run, tmp_path):
    assert run("verify-audit", "--head", tmp_path / "x").returncode == 2
    missing = run("verify-audit", "--staff", "--head", tmp_path / "x")
    assert (missing.returncode, missing.stderr.count("\n")) == (66, 1)
    assert run("sign-audit", "--customer", "nobody").returncode == 1


def test_a_bundle_is_opened_without_any_server(tmp_path):
    key = a_key()
    (tmp_path / "sealed").write_bytes(a_bundle(key))
    (tmp_path / "key.pem").write_bytes(private_pem(key))
    (tmp_path / "keys.json").write_text(callers.jwks)
    command = [sys.executable, "-m", "services.accounts", "open-bundle"]
    files = [str(tmp_path / name) for name in ("sealed", "key.pem", "opened")]

    done = subprocess.run(
        [*command, *files, "--keys", str(tmp_path / "keys.json")], capture_output=True, text=True, env={}, timeout=60
    )

    assert (done.returncode, done.stdout) == (0, "d-1: 2 conversations, missing: 0\n"), done.stderr
    assert (tmp_path / "opened" / "conversations" / "c-1.json").exists()
    (tmp_path / "key.pem").write_bytes(private_pem(a_key()))
    other = subprocess.run(
        [*command, *files[:2], str(tmp_path / "x")], capture_output=True, text=True, env={}, timeout=60
    )
    assert (other.returncode, other.stderr.count("\n")) == (1, 1)
