"""Contact and billing details: everybody of the customer may read the first, owners and admins see to both."""

from typing import Any

from apiflask import APIBlueprint

from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.account import (
    AccountOut,
    BillingIn,
    BillingOut,
    ConfirmationIn,
    ContactIn,
    ContactOut,
    HistoryOut,
    HistoryQuery,
)

blueprint = APIBlueprint("account_details", __name__, url_prefix="/api/v1/account")

CHANGED = "Somebody else has changed them meanwhile."
NEEDED = "An identity document is needed for this (`identity-required`)."
NOT_GIVEN = "They have not been given yet."
NOT_VALID = "Something is missing, does not fit its country, or looks like a card number (`card-number`)."


@blueprint.get("")
@blueprint.output(AccountOut)
@blueprint.doc(security=access.SESSION)
def show_account() -> Any:
    """Whether the account is complete: both given, and confirmed within the year."""
    return context().account.state(access.operator(None, *access.ADMINS))


@blueprint.get("/contact")
@blueprint.output(ContactOut)
@blueprint.doc(security=access.SESSION, responses={404: NOT_GIVEN})
def show_contact() -> Any:
    """The customer's contact details."""
    return context().account.part(access.operator(None), "contact")


@blueprint.put("/contact")
@blueprint.input(ContactIn)
@blueprint.output(ContactOut)
@blueprint.doc(security=access.SESSION, responses={403: NEEDED, 409: CHANGED, 422: NOT_VALID})
def change_contact(json_data: ContactIn) -> Any:
    """Give or change the contact details, which so are confirmed."""
    caller = access.operator(None, *access.ADMINS)
    return context().account.change(caller, "contact", json_data.model_dump(mode="json"))


@blueprint.get("/billing")
@blueprint.output(BillingOut)
@blueprint.doc(security=access.SESSION, responses={403: NEEDED, 404: NOT_GIVEN})
def show_billing() -> Any:
    """The customer's billing details. No card is among them: we take no card numbers."""
    return context().account.part(access.operator(None, *access.ADMINS), "billing")


@blueprint.put("/billing")
@blueprint.input(BillingIn)
@blueprint.output(BillingOut)
@blueprint.doc(security=access.SESSION, responses={403: NEEDED, 409: CHANGED, 422: NOT_VALID})
def change_billing(json_data: BillingIn) -> Any:
    """Give or change the billing details, which so are confirmed."""
    caller = access.operator(None, *access.ADMINS)
    return context().account.change(caller, "billing", json_data.model_dump(mode="json"))


@blueprint.post("/confirmations")
@blueprint.input(ConfirmationIn)
@blueprint.output(AccountOut, 201)
@blueprint.doc(security=access.SESSION, responses={404: NOT_GIVEN, 409: CHANGED})
def confirm(json_data: ConfirmationIn) -> Any:
    """Both are still right, as they were looked at; good for a year."""
    return context().account.confirm(access.operator(None, *access.ADMINS), json_data.model_dump(mode="json"))


@blueprint.get("/history")
@blueprint.input(HistoryQuery, location="query")
@blueprint.output(HistoryOut)
@blueprint.doc(security=access.SESSION, responses={403: NEEDED})
def show_history(query_data: HistoryQuery) -> Any:
    """Who changed and confirmed what, and when, field by field; the newest first."""
    return context().account.history(access.operator(None, *access.ADMINS), query_data.model_dump(mode="json"))
