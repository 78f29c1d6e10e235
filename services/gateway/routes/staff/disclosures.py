"""Disclosures at the staff desk. No word of a customer comes by here: a bundle is sealed for its recipient."""

import base64
from collections.abc import Iterator
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from chassis.auth import Caller, StaffRole
from services.gateway.bootstrap import Context, context
from services.gateway.routes import access
from services.gateway.schemas.disclosures import (
    DecisionIn,
    DisclosureIn,
    DisclosureOut,
    DisclosuresOut,
    DisclosuresQuery,
    ReviewIn,
)

blueprint = APIBlueprint("staff_disclosures", __name__, url_prefix="/api/v1/staff/disclosures")

REQUESTERS: tuple[StaffRole, ...] = ("staff-legal",)
DECIDERS: tuple[StaffRole, ...] = ("staff-legal", "staff-admin")
MISSING = "No such disclosure."
SAME_PERSON = "It takes a second person, or another role."
DECIDED = "It was decided about already."


@blueprint.post("")
@blueprint.input(DisclosureIn)
@blueprint.output(DisclosureOut, 201)
@blueprint.doc(security=access.STAFF, responses={404: "No such customer."})
def request_disclosure(json_data: DisclosureIn) -> Any:
    """Ask for a disclosure. Another person has to approve it; in an emergency, to review it within 72 hours."""
    caller = access.staff(*REQUESTERS)
    return context().disclosures.request(caller, json_data.model_dump(mode="json", exclude_none=True))


@blueprint.get("")
@blueprint.input(DisclosuresQuery, location="query")
@blueprint.output(DisclosuresOut)
@blueprint.doc(security=access.STAFF)
def list_register(query_data: DisclosuresQuery) -> Any:
    """The register: whatever was ever asked for, and what became of it, the newest first."""
    return context().disclosures.register(access.staff(*DECIDERS), query_data.model_dump(mode="json"))


@blueprint.get("/<opaque:disclosure_id>")
@blueprint.output(DisclosureOut)
@blueprint.doc(security=access.STAFF, responses={404: MISSING})
def show_disclosure(disclosure_id: str) -> Any:
    """One line of the register."""
    return context().disclosures.disclosure(access.staff(*DECIDERS), disclosure_id)


@blueprint.post("/<opaque:disclosure_id>/decision")
@blueprint.input(DecisionIn)
@blueprint.output(DisclosureOut)
@blueprint.doc(security=access.STAFF, responses={403: SAME_PERSON, 404: MISSING, 409: DECIDED})
def decide(disclosure_id: str, json_data: DecisionIn) -> Any:
    """Approve or refuse what somebody else has asked for."""
    caller = access.staff(*DECIDERS)
    return context().disclosures.decide(caller, disclosure_id, json_data.model_dump(mode="json"))


@blueprint.post("/<opaque:disclosure_id>/review")
@blueprint.input(ReviewIn)
@blueprint.output(DisclosureOut)
@blueprint.doc(security=access.STAFF, responses={403: SAME_PERSON, 404: MISSING, 409: DECIDED})
def review(disclosure_id: str, json_data: ReviewIn) -> Any:
    """Say whether what somebody else did alone, in an emergency, was right."""
    caller = access.staff(*DECIDERS)
    return context().disclosures.review(caller, disclosure_id, json_data.model_dump(mode="json"))


@blueprint.get("/<opaque:disclosure_id>/bundle")
@blueprint.output({}, 200, content_type="application/octet-stream")
@blueprint.doc(security=access.STAFF, responses={404: MISSING, 410: "There is no bundle, or not any more."})
def download(disclosure_id: str) -> Any:
    """The sealed bundle, to be handed to its recipient; it is removed a day after it was made."""
    here, caller = context(), access.staff(*DECIDERS)
    first = here.disclosures.part(caller, disclosure_id, 0)
    response = Response(_parts(here, caller, disclosure_id, first), content_type="application/octet-stream")
    response.headers["Content-Length"] = str(first["size"])
    response.headers["Content-Disposition"] = f'attachment; filename="disclosure-{disclosure_id}.velaro"'
    return response


def _parts(here: Context, caller: Caller, disclosure_id: str, first: dict[str, Any]) -> Iterator[bytes]:
    """One part after the other, so that no more than one is ever held."""
    yield base64.b64decode(first["data"])
    for number in range(1, first["parts"]):
        yield base64.b64decode(here.disclosures.part(caller, disclosure_id, number)["data"])
