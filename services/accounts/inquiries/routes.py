"""Inquiries over HTTP: for the public form, and for those of us who answer."""

from apiflask import APIBlueprint

from chassis import auth
from chassis.clock import now
from services.accounts.bootstrap import context
from services.accounts.inquiries import actions, schemas
from services.accounts.inquiries.model import Confirmation
from services.accounts.sites.model import SiteNotFound

blueprint = APIBlueprint("inquiries", __name__, url_prefix="/internal/v1")

DESK: tuple[auth.StaffRole, ...] = ("staff-support", "staff-legal")


@blueprint.post("/inquiries")
@blueprint.input(schemas.FormBody, arg_name="body")
@blueprint.output(schemas.NumberReply, 201)
@auth.require_role("public", "service")
def ask(body: schemas.FormBody) -> schemas.NumberReply:
    """Somebody has sent the form. Whether their address, or the site, is known is told to nobody."""
    here = context()
    letter = actions.form_letter(body.form_id, email=body.email, subject=body.subject, text=body.text, wish=body.wish)
    try:
        site = here.sites.by_key(body.site_key) if body.site_key else None
    except SiteNotFound:
        site = None
    inquiry = actions.take(
        letter,
        support=here.settings.support_address,
        public_url=here.settings.public_url,
        inquiries=here.inquiries,
        now=now(),
        site=site,
    )
    return schemas.NumberReply(number=inquiry.number)


@blueprint.post("/confirmations")
@blueprint.input(schemas.TokenBody, arg_name="body")
@blueprint.output(schemas.ConfirmationReply)
@auth.require_role("public", "service")
def show_confirmation(body: schemas.TokenBody) -> schemas.ConfirmationReply:
    """What a mailed link is for, or what came of it."""
    return _confirmation(context().inquiries.confirmation(actions.hash_of(body.token), now=now()))


@blueprint.post("/confirmations/done")
@blueprint.input(schemas.DoneBody, arg_name="body")
@blueprint.output(schemas.ConfirmationReply)
@auth.require_role("public", "service")
def set_done(body: schemas.DoneBody) -> schemas.ConfirmationReply:
    """The link has done what it was for."""
    inquiries, token_hash = context().inquiries, actions.hash_of(body.token)
    inquiries.set_done(token_hash, erasures=tuple(body.erasures), now=now())
    return _confirmation(inquiries.confirmation(token_hash, now=now()))


def _confirmation(found: Confirmation) -> schemas.ConfirmationReply:
    return schemas.ConfirmationReply(
        email=found.email,
        wish=found.wish,
        customer_id=found.customer_id,
        site_name=found.site_name,
        is_done=found.done_at is not None,
        erasures=list(found.erasures),
    )


@blueprint.get("/staff/inquiries")
@blueprint.input(schemas.InquiriesQuery, location="query", arg_name="query")
@blueprint.output(schemas.InquiriesReply)
@auth.require_role(*DESK)
def list_inquiries(query: schemas.InquiriesQuery) -> schemas.InquiriesReply:
    """What was asked, the first to be due first."""
    after = schemas.place_of(query.after) if query.after else None
    found = context().inquiries.all(query.state, after=after, limit=query.limit + 1)
    page, moment = found[: query.limit], now()
    return schemas.InquiriesReply(
        inquiries=[schemas.InquirySummary.of(each, moment) for each in page],
        next=schemas.cursor(page[-1]) if len(found) > query.limit else None,
    )


@blueprint.get("/staff/inquiries/<inquiry_id>")
@blueprint.output(schemas.InquiryReply)
@auth.require_role(*DESK)
def show_inquiry(inquiry_id: str) -> schemas.InquiryReply:
    """One inquiry, with all that was written, and how far our mails about it are."""
    return _whole(inquiry_id)


@blueprint.post("/staff/inquiries/<inquiry_id>/answers")
@blueprint.input(schemas.AnswerBody, arg_name="body")
@blueprint.output(schemas.InquiryReply, 201)
@auth.require_role(*DESK)
def answer(inquiry_id: str, body: schemas.AnswerBody) -> schemas.InquiryReply:
    """Answer by mail; under the same ``client_id`` once."""
    here = context()
    actions.answer(
        inquiry_id,
        body.text,
        client_id=body.client_id,
        by=auth.caller().name,
        support=here.settings.support_address,
        inquiries=here.inquiries,
        now=now(),
    )
    return _whole(inquiry_id)


@blueprint.post("/staff/inquiries/<inquiry_id>/close")
@blueprint.output(schemas.InquiryReply)
@auth.require_role(*DESK)
def close(inquiry_id: str) -> schemas.InquiryReply:
    """Nothing more is owed to it."""
    context().inquiries.close(inquiry_id, now=now())
    return _whole(inquiry_id)


def _whole(inquiry_id: str) -> schemas.InquiryReply:
    inquiries = context().inquiries
    return schemas.InquiryReply.whole(inquiries.get(inquiry_id), inquiries.delivery(inquiry_id), now())
