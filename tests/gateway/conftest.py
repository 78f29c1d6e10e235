from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from services.gateway.app import create_app
from services.gateway.bootstrap import Context
from tests.gateway.builders import a_context


@pytest.fixture
def make_client() -> Callable[..., FlaskClient]:
    """Makes an HTTP client of a gateway among fakes; ``client.here`` are the fakes."""

    def make(context: Context | None = None, **settings: Any) -> FlaskClient:
        context = context or a_context(**settings)
        client = create_app(context).test_client()
        client.here = context
        return client

    return make


@pytest.fixture
def client(make_client: Callable[..., FlaskClient]) -> FlaskClient:
    return make_client()


@pytest.fixture
def operator(client: FlaskClient) -> dict[str, str]:
    """Headers of an operator's program."""
    client.here.accounts.add_operator("operator-token", kind="token")
    return {"Authorization": "Bearer operator-token"}


@pytest.fixture
def visitor(client: FlaskClient) -> dict[str, str]:
    """Headers of a visitor."""
    client.here.chat.add_visitor("visitor-token")
    return {"Authorization": "Bearer visitor-token"}
