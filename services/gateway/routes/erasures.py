"""What is left of visitors who were erased: how many they were. And the keys that sign their certificates."""

from typing import Any

import msgspec
from apiflask import APIBlueprint

from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.erasures import ErasuresOut, ErasuresQuery, KeysOut

blueprint = APIBlueprint("erasures", __name__)

SIGNERS = ("chat", "accounts")


@blueprint.get("/api/v1/erasures")
@blueprint.input(ErasuresQuery, location="query")
@blueprint.output(ErasuresOut)
@blueprint.doc(security=access.OPERATOR)
def list_erasures(query_data: ErasuresQuery) -> Any:
    """How many visitors and conversations of the customer were erased, day by day, the latest first."""
    caller = access.operator("transcripts")
    days = context().chat.erased_counts(caller, before=query_data.before, limit=query_data.limit)["days"]
    return {"days": days}


@blueprint.get("/api/v1/certificate-keys")
@blueprint.output(KeysOut)
def list_keys() -> Any:
    """The public keys with which anybody can check what we sign, as a JWK set: certificates, heads, bundles."""
    every = msgspec.json.decode(context().settings.service_keys)["keys"]
    return {"keys": [key for key in every if key.get("kid") in SIGNERS]}
