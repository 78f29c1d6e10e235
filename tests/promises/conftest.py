"""The promises are proved on the same stack that the system's tests run on."""

from tests.system.conftest import (
    address,
    browser,
    customer,
    customers,
    demo_site,
    neighbour,
    pytest_collection_modifyitems,
    stack,
)

__all__ = [
    "address",
    "browser",
    "customer",
    "customers",
    "demo_site",
    "neighbour",
    "pytest_collection_modifyitems",
    "stack",
]
