from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from chassis.auth import new_key
from chassis.testing import Callers
from services.surveys.app import create_app
from services.surveys.bootstrap import Context, bootstrap
from services.surveys.settings import Settings


@pytest.fixture(scope="session")
def callers() -> Callers:
    return Callers("gateway", "surveys")


@pytest.fixture
def context(database_url, callers: Callers) -> Iterator[Context]:
    settings = Settings(
        amqp_url="amqp://nobody@127.0.0.1:1/nowhere",
        mongo_url=database_url("surveys"),
        service_key=new_key("surveys"),
        service_keys=callers.jwks,
    )
    made = bootstrap(settings)
    yield made
    made.database.client.close()


@pytest.fixture
def client(context: Context) -> FlaskClient:
    return create_app(context).test_client()
