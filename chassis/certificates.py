"""Statements that a service signs with its own key, so that whoever is handed one can check it without asking us."""

from collections.abc import Mapping
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from chassis.auth import ALGORITHM


class NotGenuine(Exception):
    """Nobody whose key is known signed this, not as a statement of this kind, or not in these words."""


class Signer:
    """Signs for one service."""

    def __init__(self, service: str, private_jwk: str) -> None:
        self._service = service
        self._key = OKPKey.import_key(msgspec.json.decode(private_jwk))

    def sign(self, kind: str, statement: Mapping[str, Any]) -> str:
        """``statement`` as a compact JWS; ``kind`` goes into its header, so that it is taken for nothing else."""
        header = {"alg": ALGORITHM, "kid": self._service, "typ": kind}
        payload = msgspec.json.encode(statement, order="sorted")
        return jws.serialize_compact(header, payload, self._key, registry=_registry())


def verified(certificate: str, *, kind: str, service: str, jwks: str) -> dict[str, Any]:
    """What ``service`` states in ``certificate``. Raises ``NotGenuine``."""
    for jwk in msgspec.json.decode(jwks)["keys"]:
        if jwk.get("kid") != service:
            continue
        try:
            signed = jws.deserialize_compact(certificate, OKPKey.import_key(jwk), registry=_registry())
            statement: dict[str, Any] = msgspec.json.decode(signed.payload, type=dict)
        except (JoseError, msgspec.DecodeError, ValueError):
            continue
        header = signed.headers()
        if (header.get("kid"), header.get("typ")) == (service, kind):
            return statement
    raise NotGenuine


def _registry() -> jws.JWSRegistry:
    return jws.JWSRegistry(algorithms=[ALGORITHM])
