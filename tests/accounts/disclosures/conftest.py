import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from chassis.mail import Mailer
from contracts.disclosures import ConversationsScope
from services.accounts.audit.model import Actor
from services.accounts.bootstrap import Context
from services.accounts.customers.model import Customer
from services.accounts.disclosures import actions, sealing
from services.accounts.disclosures.model import Asked, Disclosure, Manifest, Person
from tests.accounts.builders import NOW, an_operator
from tests.accounts.conftest import callers
from tests.accounts.disclosures.words import THREE, SomeWords, a_key, public_pem
from tests.accounts.notices.post_office import PostOffice

SENDER = "Velaro <no-reply@velaro.example>"
LEA = Person(id="lea", name="Lea")
LEO = Person(id="leo", name="Leo")


@pytest.fixture(scope="session")
def key() -> X25519PrivateKey:
    return a_key()


@pytest.fixture
def office() -> Iterator[PostOffice]:
    opened = PostOffice().open()
    yield opened
    opened.close()


@pytest.fixture
def here(context: Context, office: PostOffice) -> Context:
    """Accounts with a customer who has an owner, and a mail server."""
    context.customers.add_once(Customer(customer_id="c1", name="Shop", created_at=NOW))
    an_operator(context, "c1", email="owner@shop.example", role="owner")
    return dataclasses.replace(context, mailer=Mailer(office.url, sender=SENDER, timeout=5))


@pytest.fixture
def request_one(here: Context, key: X25519PrivateKey) -> Callable[..., Disclosure]:
    def request(by: Person = LEA, **changes: Any) -> Disclosure:
        asked: dict[str, Any] = {
            "customer_id": "c1",
            "ground": "legal-process",
            "explanation": "Order 12 of the court.",
            "scope": ConversationsScope(conversation_ids=tuple(THREE)),
            "recipient": "The court",
            "recipient_key": public_pem(key),
        }
        return actions.request(
            Asked(**asked | changes),
            by=by,
            actor=Actor(kind="staff", id=by.id, role="staff-legal"),
            disclosures=here.disclosures,
            customers=here.customers,
            audit=here.audit,
        )

    return request


@pytest.fixture
def decide(here: Context) -> Callable[..., Any]:
    def decided(disclosure: Disclosure, outcome: Any = "approved", by: Person = LEO) -> Any:
        return actions.decide(
            disclosure.disclosure_id,
            outcome,
            reason="It fits.",
            by=by,
            actor=Actor(kind="staff", id=by.id, role="staff-legal"),
            disclosures=here.disclosures,
            audit=here.audit,
        )

    return decided


@pytest.fixture
def review(here: Context) -> Callable[..., Any]:
    def reviewed(disclosure: Disclosure, outcome: Any = "upheld", by: Person = LEO) -> Any:
        return actions.review(
            disclosure.disclosure_id,
            outcome,
            reason="I looked.",
            by=by,
            actor=Actor(kind="staff", id=by.id, role="staff-legal"),
            disclosures=here.disclosures,
            audit=here.audit,
        )

    return reviewed


@pytest.fixture
def execute(here: Context) -> Callable[..., None]:
    def executed(disclosure: Disclosure, words: Any = None, **options: Any) -> None:
        limits = {"claimed_for": timedelta(seconds=30), "kept_for": timedelta(days=1)}
        actions.execute(
            disclosure.disclosure_id,
            words=words or SomeWords(THREE),
            disclosures=here.disclosures,
            audit=here.audit,
            signer=here.signer,
            **limits | options,
        )

    return executed


@pytest.fixture
def tell(here: Context) -> Callable[[], None]:
    return lambda: actions.tell_due(
        public_url="https://chat.velaro.example",
        disclosures=here.disclosures,
        operators=here.operators,
        audit=here.audit,
        mailer=here.mailer,
    )


@pytest.fixture
def sealed(here: Context) -> Callable[[Disclosure], bytes]:
    """The bytes of the bundle, as they can be fetched."""

    def fetched(disclosure: Disclosure) -> bytes:
        bundle, first = here.disclosures.part(disclosure.disclosure_id, 0)
        others = range(1, bundle.parts)
        return first + b"".join(here.disclosures.part(disclosure.disclosure_id, number)[1] for number in others)

    return fetched


@pytest.fixture
def opened(sealed: Any, key: X25519PrivateKey, tmp_path: Path) -> Callable[..., tuple[Manifest, Path]]:
    def open_one(disclosure: Disclosure, name: str = "opened") -> tuple[Manifest, Path]:
        source = BytesIO(sealed(disclosure))
        return sealing.open_bundle(source, key, tmp_path / name, jwks=callers.jwks), tmp_path / name

    return open_one
