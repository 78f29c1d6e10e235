import os
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from pymongo import MongoClient

from chassis.testing import Callers
from deploy.local.instance import Instance
from services.accounts.app import create_app
from services.accounts.bootstrap import Context, bootstrap
from services.accounts.operators.model import Operator
from services.accounts.policy.actions import post_first_version
from services.accounts.settings import Settings
from tests.accounts.builders import an_operator, some_settings

callers = Callers("gateway", "accounts", "chat")


DATABASE = f"test_accounts_{os.getpid()}"


@pytest.fixture(scope="session")
def settings(servers: Instance, administrator: MongoClient) -> Iterator[Settings]:
    yield some_settings(
        servers.mongo_url("admin", DATABASE),
        service_key=callers.key("accounts"),
        service_keys=callers.jwks,
        argon2_time_cost=1,
        argon2_memory_kib=8,
        argon2_parallelism=1,
    )
    administrator.drop_database(DATABASE)


@pytest.fixture(scope="session")
def assembled(settings: Settings) -> Iterator[Context]:
    made = bootstrap(settings)
    yield made
    made.database.client.close()


@pytest.fixture
def context(assembled: Context) -> Context:
    """As after the first start: making indexes anew for every test would take most of the time."""
    for name in assembled.database.list_collection_names():
        assembled.database[name].delete_many({})
    post_first_version(policies=assembled.policies)
    return assembled


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context).test_client()


@pytest.fixture
def ann(context: Context) -> Operator:
    """An operator of customer c1."""
    return an_operator(context, "c1", email="ann@shop.example", name="Ann")


@pytest.fixture
def eve(context: Context) -> Operator:
    """The owner of another customer, c2."""
    return an_operator(context, "c2", email="eve@other.example", name="Eve", role="owner")


class Edge:
    """The gateway's side of the HTTP interface."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def as_public(self) -> dict[str, str]:
        return callers.headers("accounts", "public")

    def as_operator(self, operator: Operator, session_id: str | None = None) -> dict[str, str]:
        return callers.headers(
            "accounts",
            operator.role,
            customer_id=operator.customer_id,
            subject=operator.operator_id,
            name=operator.name,
            session_id=session_id,
        )

    def sign_in(self, email: str, password: str = "correct horse battery"):
        body = {"email": email, "password": password, "ip": "192.0.2.1", "user_agent": "Browser/1"}
        return self.client.post("/internal/v1/sessions", json=body, headers=self.as_public())

    def signed_in(self, operator: Operator) -> tuple[str, dict[str, str]]:
        """The secret of a new session of the operator, and headers to ask on its behalf."""
        reply = self.sign_in(operator.email).json
        return reply["token"], self.as_operator(operator, reply["session_id"])

    def introspect(self, token: str):
        return self.client.post("/internal/v1/introspections", json={"token": token}, headers=self.as_public())


@pytest.fixture
def edge(client: FlaskClient) -> Edge:
    return Edge(client)
