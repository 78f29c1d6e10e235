"""Disclosures over HTTP: for staff, and what may be told for the customer's owners and admins."""

import base64
from typing import Any

from apiflask import APIBlueprint

from chassis import auth
from services.accounts.audit.model import Actor
from services.accounts.bootstrap import context
from services.accounts.disclosures import actions, schemas
from services.accounts.disclosures.model import Person

blueprint = APIBlueprint("disclosures", __name__, url_prefix="/internal/v1")

REQUESTERS: tuple[auth.StaffRole, ...] = ("staff-legal",)
DECIDERS: tuple[auth.StaffRole, ...] = ("staff-legal", "staff-admin")


@blueprint.post("/disclosures")
@blueprint.input(schemas.RequestDisclosure)
@blueprint.output(schemas.DisclosureReply, 201)
@auth.require_role(*REQUESTERS)
def request(json_data: schemas.RequestDisclosure) -> schemas.DisclosureReply:
    """Ask for a disclosure."""
    here = context()
    made = actions.request(
        json_data.asked(),
        by=_person(),
        actor=_actor(),
        disclosures=here.disclosures,
        customers=here.customers,
        audit=here.audit,
    )
    return schemas.DisclosureReply.of(here.disclosures.get(made.disclosure_id))


@blueprint.get("/disclosures")
@blueprint.input(schemas.RegisterQuery, location="query")
@blueprint.output(schemas.RegisterReply)
@auth.require_role(*DECIDERS)
def register(query_data: schemas.RegisterQuery) -> dict[str, Any]:
    """Whatever was ever asked for, and what became of it; the newest first."""
    found, following = actions.register(
        before=query_data.after, limit=query_data.limit, disclosures=context().disclosures
    )
    return {"disclosures": [schemas.DisclosureReply.of(each) for each in found], "next": following}


@blueprint.get("/disclosures/<disclosure_id>")
@blueprint.output(schemas.DisclosureReply)
@auth.require_role(*DECIDERS)
def show(disclosure_id: str) -> schemas.DisclosureReply:
    """One line of the register."""
    return schemas.DisclosureReply.of(context().disclosures.get(disclosure_id))


@blueprint.post("/disclosures/<disclosure_id>/decision")
@blueprint.input(schemas.Decide)
@blueprint.output(schemas.DisclosureReply)
@auth.require_role(*DECIDERS)
def decide(disclosure_id: str, json_data: schemas.Decide) -> schemas.DisclosureReply:
    """Approve or refuse what somebody else has asked for."""
    here = context()
    decided = actions.decide(
        disclosure_id,
        json_data.outcome,
        reason=json_data.reason,
        by=_person(),
        actor=_actor(),
        disclosures=here.disclosures,
        audit=here.audit,
    )
    return schemas.DisclosureReply.of(decided)


@blueprint.post("/disclosures/<disclosure_id>/review")
@blueprint.input(schemas.ReviewDisclosure)
@blueprint.output(schemas.DisclosureReply)
@auth.require_role(*DECIDERS)
def review(disclosure_id: str, json_data: schemas.ReviewDisclosure) -> schemas.DisclosureReply:
    """Review what somebody else has done alone, in an emergency."""
    here = context()
    reviewed = actions.review(
        disclosure_id,
        json_data.outcome,
        reason=json_data.reason,
        by=_person(),
        actor=_actor(),
        disclosures=here.disclosures,
        audit=here.audit,
    )
    return schemas.DisclosureReply.of(reviewed)


@blueprint.get("/disclosures/<disclosure_id>/bundle")
@blueprint.input(schemas.PartQuery, location="query")
@blueprint.output(schemas.PartReply)
@auth.require_role(*DECIDERS)
def bundle(disclosure_id: str, query_data: schemas.PartQuery) -> dict[str, Any]:
    """One part of the sealed bytes, which only the recipient can open."""
    kept, data = context().disclosures.part(disclosure_id, query_data.part)
    return {
        "data": base64.b64encode(data).decode(),
        "parts": kept.parts,
        "size": kept.size,
        "sha256": kept.sha256,
    }


@blueprint.get("/told-disclosures")
@blueprint.input(schemas.RegisterQuery, location="query")
@blueprint.output(schemas.ToldsReply)
@auth.require_role("owner", "admin")
def told(query_data: schemas.RegisterQuery) -> dict[str, Any]:
    """What was disclosed of the caller's customer and may be told; the newest first."""
    found, following = actions.told(
        auth.customer(), before=query_data.after, limit=query_data.limit, disclosures=context().disclosures
    )
    return {"disclosures": [schemas.ToldReply.of(each) for each in found], "next": following}


def _person() -> Person:
    caller = auth.caller()
    return Person(id=caller.subject or "", name=caller.name)


def _actor() -> Actor:
    caller = auth.caller()
    return Actor(kind="staff", id=caller.subject or "", role=caller.role)
