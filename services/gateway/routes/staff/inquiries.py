"""Answering what was asked of us."""

from typing import Any

from apiflask import APIBlueprint

from chassis.auth import StaffRole
from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.inquiries import InquiriesOut, InquiriesQuery, InquiryAnswerIn, InquiryOut

blueprint = APIBlueprint("staff_inquiries", __name__, url_prefix="/api/v1/staff/inquiries")

DESK: tuple[StaffRole, ...] = ("staff-support", "staff-legal")
UNKNOWN = "No such inquiry."


@blueprint.get("")
@blueprint.input(InquiriesQuery, location="query")
@blueprint.output(InquiriesOut)
@blueprint.doc(security=access.STAFF)
def list_inquiries(query_data: InquiriesQuery) -> Any:
    """What was asked, the first to be due first."""
    return context().inquiries.inquiries(access.staff(*DESK), query_data.model_dump(mode="json"))


@blueprint.get("/<opaque:inquiry_id>")
@blueprint.output(InquiryOut)
@blueprint.doc(security=access.STAFF, responses={404: UNKNOWN})
def show_inquiry(inquiry_id: str) -> Any:
    """One of them, with all that was written."""
    return context().inquiries.inquiry(access.staff(*DESK), inquiry_id)


@blueprint.post("/<opaque:inquiry_id>/answers")
@blueprint.input(InquiryAnswerIn)
@blueprint.output(InquiryOut, 201)
@blueprint.doc(security=access.STAFF, responses={404: UNKNOWN, 409: "It is closed."})
def answer(inquiry_id: str, json_data: InquiryAnswerIn) -> Any:
    """Answer by mail; under the same ``client_id`` once."""
    return context().inquiries.answer(access.staff(*DESK), inquiry_id, json_data.model_dump(mode="json"))


@blueprint.post("/<opaque:inquiry_id>/close")
@blueprint.output(InquiryOut)
@blueprint.doc(security=access.STAFF, responses={404: UNKNOWN})
def close(inquiry_id: str) -> Any:
    """Nothing more is owed to it; a year later it is forgotten."""
    return context().inquiries.close(access.staff(*DESK), inquiry_id)
