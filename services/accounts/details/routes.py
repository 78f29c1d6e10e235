"""Details over HTTP. Everybody who works for the customer may see whom to contact; billing is for owners and admins."""

from datetime import datetime
from typing import Any

from apiflask import APIBlueprint

from chassis import auth
from chassis.mongo import server_time
from services.accounts.bootstrap import context
from services.accounts.details import actions, schemas
from services.accounts.operators.model import ROLES
from services.accounts.operators.routes import acting

blueprint = APIBlueprint("details", __name__, url_prefix="/internal/v1/account")

EDITORS: tuple[auth.Role, ...] = ("owner", "admin")


def _now() -> datetime:
    """The year passes on the database's clock."""
    return server_time(context().database)


@blueprint.get("")
@blueprint.output(schemas.AccountReply)
@auth.require_role(*EDITORS)
def account() -> schemas.AccountReply:
    """Whether the account is complete, and what is missing."""
    now = _now()
    return schemas.AccountReply.of(actions.details_of(auth.customer(), now=now, details=context().details), now)


@blueprint.get("/contact")
@blueprint.output(schemas.ContactReply)
@auth.require_role(*ROLES)
def contact() -> schemas.ContactReply:
    """The customer's contact details."""
    return schemas.ContactReply.of(actions.contact_of(auth.customer(), now=_now(), details=context().details))


@blueprint.put("/contact")
@blueprint.input(schemas.ContactBody)
@blueprint.output(schemas.ContactReply)
@auth.require_role(*EDITORS)
def change_contact(json_data: schemas.ContactBody) -> schemas.ContactReply:
    """Give or change the contact details, which so are confirmed."""
    here = context()
    made = actions.change_contact(
        acting(), json_data.plain(), json_data.revision, now=_now(), details=here.details, step_up=here.step_up
    )
    return schemas.ContactReply.of(made)


@blueprint.get("/billing")
@blueprint.output(schemas.BillingReply)
@auth.require_role(*EDITORS)
def billing() -> schemas.BillingReply:
    """The customer's billing details."""
    return schemas.BillingReply.of(
        actions.billing_of(acting(), now=_now(), details=context().details, step_up=context().step_up)
    )


@blueprint.put("/billing")
@blueprint.input(schemas.BillingBody)
@blueprint.output(schemas.BillingReply)
@auth.require_role(*EDITORS)
def change_billing(json_data: schemas.BillingBody) -> schemas.BillingReply:
    """Give or change the billing details, which so are confirmed."""
    here = context()
    made = actions.change_billing(
        acting(), json_data.plain(), json_data.revision, now=_now(), details=here.details, step_up=here.step_up
    )
    return schemas.BillingReply.of(made)


@blueprint.post("/confirmations")
@blueprint.input(schemas.ConfirmBody)
@blueprint.output(schemas.AccountReply, 201)
@auth.require_role(*EDITORS)
def confirm(json_data: schemas.ConfirmBody) -> schemas.AccountReply:
    """Everything is still right, as it was looked at."""
    now = _now()
    made = actions.confirm(
        acting(), json_data.contact_revision, json_data.billing_revision, now=now, details=context().details
    )
    return schemas.AccountReply.of(made, now)


@blueprint.get("/history")
@blueprint.input(schemas.HistoryQuery, location="query")
@blueprint.output(schemas.HistoryReply)
@auth.require_role(*EDITORS)
def history(query_data: schemas.HistoryQuery) -> dict[str, Any]:
    """Who changed and confirmed what, and when; the newest first."""
    here, limit = context(), query_data.limit
    found = actions.history(
        acting(), after=query_data.after, limit=limit, now=_now(), details=here.details, step_up=here.step_up
    )
    return {"entries": found, "next": found[-1].entry_id if len(found) == limit else None}
