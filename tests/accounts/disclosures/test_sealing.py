"""A bundle opens with the right key and in one piece, or not at all."""

import hashlib
import json
from io import BytesIO

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.certificates import Signer
from contracts.disclosures import VisitorScope
from services.accounts.disclosures import sealing
from services.accounts.disclosures.model import BundleDamaged, KeyNotValid, Manifest
from tests.accounts.conftest import callers
from tests.accounts.disclosures.words import a_key, private_pem, public_pem

CONTENTS = {"c-1": b'{"text":"secret words"}', "c-2": b"x" * 200_000}
SIGNER = Signer("accounts", callers.key("accounts"))


def a_bundle(key, contents=CONTENTS, signer=SIGNER, **changes):
    sealed = BytesIO()
    writer = sealing.BundleWriter(key.public_key(), sealed.write)
    for conversation_id, content in contents.items():
        writer.add(conversation_id, content)
    manifest = {
        "disclosure_id": "d-1",
        "customer_id": "c1",
        "ground": "emergency",
        "scope": VisitorScope(visitor_id="v"),
        "recipient": "The police",
        "recipient_fingerprint": "",
        "files": tuple(writer.files),
        "missing": (),
    }
    writer.finish(Manifest(**manifest | changes), signer)
    return sealed.getvalue()


def open_it(sealed, key, folder, jwks=callers.jwks):
    return sealing.open_bundle(BytesIO(sealed), key, folder, jwks=jwks)


def test_it_opens_to_what_was_put_in(key, tmp_path):
    sealed = a_bundle(key)
    manifest = open_it(sealed, key, tmp_path / "opened")

    assert b"secret words" not in sealed
    assert [file.path for file in manifest.files] == ["conversations/c-1.json", "conversations/c-2.json"]
    for conversation_id, content in CONTENTS.items():
        assert (tmp_path / "opened" / "conversations" / f"{conversation_id}.json").read_bytes() == content
    listed = json.loads((tmp_path / "opened" / "manifest.json").read_text())["files"]
    assert listed[0]["sha256"] == hashlib.sha256(CONTENTS["c-1"]).hexdigest()


def test_no_two_bundles_are_sealed_alike(key):
    assert a_bundle(key)[:2000] != a_bundle(key)[:2000]


def test_an_empty_one_opens_as_well(key, tmp_path):
    assert open_it(a_bundle(key, {}), key, tmp_path / "opened").files == ()


def test_another_key_opens_nothing(key, tmp_path):
    with pytest.raises(BundleDamaged):
        open_it(a_bundle(key), a_key(), tmp_path / "opened")
    assert list(tmp_path.iterdir()) == []


def damaged(sealed):
    chunk = sealing.CHUNK + sealing.TAG
    body = sealed.index(b"\n", len(sealing.MAGIC)) + 1
    head, rest = sealed[:body], sealed[body:]
    yield "cut at a chunk", sealed[: body + chunk]
    yield "cut in a chunk", sealed[:-1]
    yield "without a chunk", head + rest[chunk:]
    yield "chunks changed places", head + rest[chunk : 2 * chunk] + rest[:chunk] + rest[2 * chunk :]
    yield "one bit", head + bytes([rest[0] ^ 1]) + rest[1:]
    yield "something behind", sealed + b"x"
    yield "another beginning", b"x" + sealed
    yield "nothing", b""
    yield "no key", sealing.MAGIC + b"!!\n" + rest
    yield "no body", head


def test_whatever_is_damaged_leaves_nothing_behind(key, tmp_path):
    for what, sealed in damaged(a_bundle(key)):
        with pytest.raises(BundleDamaged):
            open_it(sealed, key, tmp_path / "opened")
        assert list(tmp_path.iterdir()) == [], what


def test_a_manifest_that_lists_something_else_is_damage(key, tmp_path):
    with pytest.raises(BundleDamaged):
        open_it(a_bundle(key, files=()), key, tmp_path / "opened")


def test_who_made_it_is_checked_if_our_keys_are_there(key, tmp_path):
    forged = a_bundle(key, signer=Signer("accounts", callers.key("gateway")))

    with pytest.raises(BundleDamaged):
        open_it(forged, key, tmp_path / "opened")
    assert open_it(forged, key, tmp_path / "opened", jwks=None).disclosure_id == "d-1"


def test_it_does_not_write_over_anything(key, tmp_path):
    (tmp_path / "opened").mkdir()

    with pytest.raises(FileExistsError):
        open_it(a_bundle(key), key, tmp_path / "opened")


def test_a_name_that_leads_elsewhere_is_damage(key, tmp_path):
    with pytest.raises(BundleDamaged):
        open_it(a_bundle(key, {"../../outside": b"x"}), key, tmp_path / "opened")
    assert list(tmp_path.iterdir()) == []


def test_the_fingerprint_is_what_openssl_says(key):
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    assert sealing.fingerprint(sealing.public_key(public_pem(key))) == hashlib.sha256(der).hexdigest()


NOUGHT = "MCowBQYDK2VuAyEA" + "A" * 43 + "="
SMALL = f"-----BEGIN PUBLIC KEY-----\n{NOUGHT}\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize("pem", ["", "x", SMALL, "\ud800"])
def test_what_is_no_key_is_refused(pem):
    with pytest.raises(KeyNotValid):
        sealing.public_key(pem)


def test_another_kind_of_key_is_refused(key):
    other = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(KeyNotValid):
        sealing.public_key(other.decode())
    with pytest.raises(KeyNotValid):
        sealing.public_key(private_pem(key).decode())
    with pytest.raises(KeyNotValid):
        sealing.private_key(public_pem(key).encode())
