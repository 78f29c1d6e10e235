"""The manifests of one overlay, or of each."""

import pytest

from tests.deploy.manifests import OVERLAYS, Manifests, build


@pytest.fixture(params=OVERLAYS, ids=lambda overlay: overlay.rpartition("/")[2])
def manifests(request: pytest.FixtureRequest) -> Manifests:
    return build(request.param)


@pytest.fixture
def production() -> Manifests:
    return build("overlays/production")
