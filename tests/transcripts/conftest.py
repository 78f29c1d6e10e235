from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from chassis.auth import Caller, Role, TokenIssuer, TokenVerifier, new_key, public_keys
from services.transcripts.app import create_app
from services.transcripts.bootstrap import Context, bootstrap
from services.transcripts.settings import Settings
from services.transcripts.store import TranscriptStore
from tests.transcripts.fakes import ChatServer

Headers = Callable[..., dict[str, str]]


@pytest.fixture(scope="session")
def keys() -> dict[str, str]:
    return {service: new_key(service) for service in ("gateway", "transcripts", "accounts")}


@pytest.fixture(scope="session")
def jwks(keys: dict[str, str]) -> str:
    return public_keys(keys.values())


@pytest.fixture
def chat(jwks: str) -> Iterator[ChatServer]:
    with ChatServer(TokenVerifier("chat", jwks)).running() as server:
        yield server


@pytest.fixture
def settings(database_url: Callable[[str], str], keys: dict[str, str], jwks: str, chat: ChatServer) -> Settings:
    return Settings(
        amqp_url="amqp://nobody@127.0.0.1:1/nowhere",
        tasks_url="amqp://nobody@127.0.0.1:1/nowhere",
        mongo_url=database_url("transcripts"),
        service_key=keys["transcripts"],
        service_keys=jwks,
        chat_url=chat.url,
    )


@pytest.fixture
def context(settings: Settings) -> Iterator[Context]:
    made = bootstrap(settings)
    yield made
    made.chat.close()
    made.database.client.close()


@pytest.fixture
def store(context: Context) -> TranscriptStore:
    return context.store


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context).test_client()


@pytest.fixture(scope="session")
def headers(keys: dict[str, str]) -> Headers:
    issuer = TokenIssuer("gateway", keys["gateway"])

    def headers_of(role: Role = "operator", *, customer_id: str | None = "acme", **claims: str) -> dict[str, str]:
        caller = Caller(service="gateway", role=role, customer_id=customer_id, **claims)
        return {"Authorization": f"Bearer {issuer.token_for(caller, 'transcripts')}"}

    return headers_of
