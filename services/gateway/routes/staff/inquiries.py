"""Answering what was asked of us."""

from typing import Any

from apiflask import APIBlueprint

from chassis.auth import StaffRole
from services.gateway import schemas
from services.gateway.bootstrap import context
from services.gateway.routes import access

blueprint = APIBlueprint("staff_inquiries", __name__, url_prefix="/api/v1/staff/inquiries")

DESK: tuple[StaffRole, ...] = ("staff-support", "staff-legal")
UNKNOWN = "No such inquiry."


@blueprint.get("")
@blueprint.input(schemas.InquiriesQuery, location="query")
@blueprint.output(schemas.InquiriesOut)
@blueprint.doc(security=access.STAFF)
def list_inquiries(query_data: schemas.InquiriesQuery) -> Any:
    """What was asked, the first to be due first."""
    return context().inquiries.inquiries(access.staff(*DESK), query_data.model_dump(mode="json"))


@blueprint.get("/<opaque:inquiry_id>")
@blueprint.output(schemas.InquiryOut)
@blueprint.doc(security=access.STAFF, responses={404: UNKNOWN})
def show_inquiry(inquiry_id: str) -> Any:
    """One of them, with all that was written."""
    return context().inquiries.inquiry(access.staff(*DESK), inquiry_id)


@blueprint.post("/<opaque:inquiry_id>/answers")
@blueprint.input(schemas.InquiryAnswerIn)
@blueprint.output(schemas.InquiryOut, 201)
@blueprint.doc(security=access.STAFF, responses={404: UNKNOWN, 409: "It is closed."})
def answer(inquiry_id: str, json_data: schemas.InquiryAnswerIn) -> Any:
    """Answer by mail; under the same ``client_id`` once."""
    return context().inquiries.answer(access.staff(*DESK), inquiry_id, json_data.model_dump(mode="json"))


@blueprint.post("/<opaque:inquiry_id>/close")
@blueprint.output(schemas.InquiryOut)
@blueprint.doc(security=access.STAFF, responses={404: UNKNOWN})
def close(inquiry_id: str) -> Any:
    """Nothing more is owed to it; a year later it is forgotten."""
    return context().inquiries.close(access.staff(*DESK), inquiry_id)
