from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from pydantic import SecretStr
from pymongo import WriteConcern

from chassis.auth import new_key
from chassis.testing import Callers
from services.chat.app import create_app
from services.chat.bootstrap import Context, bootstrap
from services.chat.settings import Settings
from services.chat.store import ConversationStore, VisitorStore


@pytest.fixture(scope="session")
def callers() -> Callers:
    return Callers("gateway", "chat", "transcripts", "accounts")


@pytest.fixture
def settings(database_url, callers: Callers) -> Settings:
    return Settings(
        amqp_url=SecretStr("amqp://nobody@127.0.0.1:1/nowhere"),
        mongo_url=SecretStr(database_url("chat")),
        service_key=SecretStr(new_key("chat")),
        service_keys=callers.jwks,
    )


@pytest.fixture
def context(settings: Settings) -> Iterator[Context]:
    made = bootstrap(settings)
    yield made
    made.database.client.close()


@pytest.fixture
def conversations(context: Context) -> ConversationStore:
    return context.conversations


@pytest.fixture
def unsure(context: Context) -> ConversationStore:
    """The same store on a primary whose writes no second member ever has: each is done, and nobody knows for sure."""
    return ConversationStore(context.database.with_options(write_concern=WriteConcern(w=2)))


@pytest.fixture
def visitors(context: Context) -> VisitorStore:
    return context.visitors


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context).test_client()
