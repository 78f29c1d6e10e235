"""Tickets over HTTP."""

from typing import Any

from apiflask import APIBlueprint

from chassis import auth
from chassis.clock import now
from services.accounts.bootstrap import Context, context
from services.accounts.operators.model import ROLES
from services.accounts.sessions.actions import current
from services.accounts.sessions.model import Identity
from services.accounts.tickets import actions, model
from services.accounts.tickets.schemas import IssueTicket, RedeemTicket, RedemptionReply, TicketReply

blueprint = APIBlueprint("tickets", __name__, url_prefix="/internal/v1")


@blueprint.post("/tickets")
@blueprint.input(IssueTicket)
@blueprint.output(TicketReply, 201)
@auth.require_role("service", "visitor", *ROLES)
def issue_ticket(json_data: IssueTicket) -> dict[str, Any]:
    """Issue a ticket, single use and good for a minute."""
    claims = model.Claims(**json_data.claims.model_dump())
    ticket = actions.issue_ticket(claims, customer_id=auth.caller().customer_id, now=now(), tickets=context().tickets)
    return {"ticket": ticket, "expires_in": int(model.LIFE.total_seconds())}


@blueprint.post("/ticket-redemptions")
@blueprint.input(RedeemTicket)
@blueprint.output(RedemptionReply)
@auth.require_role("public", "service")
def redeem_ticket(json_data: RedeemTicket) -> dict[str, Any]:
    """Use up a ticket and learn whom it stands for."""
    here = context()

    def check_session(customer_id: str, session_id: str) -> Identity:
        return _current(here, customer_id, session_id)

    claims = actions.redeem_ticket(json_data.ticket, now=now(), tickets=here.tickets, check_session=check_session)
    return {"claims": claims}


def _current(here: Context, customer_id: str, session_id: str) -> Identity:
    return current(
        customer_id,
        session_id,
        now=now(),
        operators=here.operators,
        sessions=here.sessions,
        tokens=here.tokens,
        limits=here.limits,
    )
