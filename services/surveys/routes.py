"""Surveys and responses over HTTP."""

from apiflask import APIBlueprint
from flask import Response

from chassis import auth
from chassis.auth import Role
from chassis.clock import now
from services.surveys import actions
from services.surveys.bootstrap import context
from services.surveys.model import PLACEMENTS, SurveyNotFound, Which
from services.surveys.schemas import (
    AddressBody,
    DraftReply,
    ListQuery,
    ListReply,
    PageQuery,
    PeriodQuery,
    RecordedReply,
    ReportReply,
    ResponseBody,
    ResponseReply,
    ResponsesQuery,
    ResponsesReply,
    ServiceRatingsReply,
    ServiceReportReply,
    SurveyBody,
    SurveyReply,
    VersionReply,
    VersionsQuery,
    VersionsReply,
    VisitorsReply,
    cursor,
)

blueprint = APIBlueprint("surveys", __name__, url_prefix="/internal/v1")

SURVEY = "/surveys/<site_id>/<placement>"
READERS: tuple[Role, ...] = ("owner", "admin", "operator", "analyst")
EDITORS: tuple[Role, ...] = ("owner", "admin")


@blueprint.get(SURVEY)
@blueprint.output(SurveyReply)
def survey(site_id: str, placement: str) -> SurveyReply:
    """The survey a site shows there, as it is now."""
    return SurveyReply.of(actions.current_survey(_which(site_id, placement), store=context().store))


@blueprint.put(SURVEY)
@blueprint.input(SurveyBody, arg_name="body")
@blueprint.output(SurveyReply)
@auth.require_role(*EDITORS)
def publish_survey(site_id: str, placement: str, body: SurveyBody) -> SurveyReply:
    """Publish these questions as the next version; earlier versions and their responses stay as they are."""
    which = _which(site_id, placement)
    return SurveyReply.of(actions.publish_survey(which, body.made(), store=context().store, now=now()))


@blueprint.get(f"{SURVEY}/versions")
@blueprint.input(VersionsQuery, location="query", arg_name="query")
@blueprint.output(VersionsReply)
@auth.require_role(*READERS)
def survey_versions(site_id: str, placement: str, query: VersionsQuery) -> VersionsReply:
    """Everything that was ever published there, the newest first."""
    found, has_earlier = actions.survey_versions(
        _which(site_id, placement), before=query.before, limit=query.limit, store=context().store
    )
    versions = [
        VersionReply(version=one.version, published_at=one.published_at, question_count=len(one.questions))
        for one in found
    ]
    return VersionsReply(versions=versions, has_earlier=has_earlier)


@blueprint.get(f"{SURVEY}/versions/<int:number>")
@blueprint.output(SurveyReply)
@auth.require_role(*READERS)
def survey_version(site_id: str, placement: str, number: int) -> SurveyReply:
    """One published version."""
    which = _which(site_id, placement)
    return SurveyReply.of(actions.survey_version(which, min(number, 2**31), store=context().store))


@blueprint.get(f"{SURVEY}/draft")
@blueprint.output(DraftReply)
@auth.require_role(*READERS)
def survey_draft(site_id: str, placement: str) -> DraftReply:
    """What somebody means to publish."""
    return DraftReply.model_validate(actions.survey_draft(_which(site_id, placement), store=context().store))


@blueprint.put(f"{SURVEY}/draft")
@blueprint.input(SurveyBody, arg_name="body")
@blueprint.output(DraftReply)
@auth.require_role(*EDITORS)
def save_draft(site_id: str, placement: str, body: SurveyBody) -> DraftReply:
    """Keep questions for later, in place of the draft there may be."""
    draft = actions.save_draft(_which(site_id, placement), body.made(), store=context().store, now=now())
    return DraftReply.model_validate(draft)


@blueprint.delete(f"{SURVEY}/draft")
@blueprint.output({}, status_code=204)
@auth.require_role(*EDITORS)
def drop_draft(site_id: str, placement: str) -> str:
    """Forget the draft."""
    actions.drop_draft(_which(site_id, placement), store=context().store)
    return ""


@blueprint.get(f"{SURVEY}/responses")
@blueprint.input(ListQuery, location="query", arg_name="query")
@blueprint.output(ListReply)
@auth.require_role(*READERS)
def list_responses(site_id: str, placement: str, query: ListQuery) -> ListReply:
    """What was answered there in a period, the newest first."""
    found, following = actions.list_responses(
        _which(site_id, placement), query.period, after=query.place, limit=query.limit, store=context().store
    )
    return ListReply(responses=[ResponseReply.model_validate(one) for one in found], next=cursor(following))


@blueprint.get(f"{SURVEY}/report")
@blueprint.input(PeriodQuery, location="query", arg_name="query")
@blueprint.output(ReportReply)
@auth.require_role(*READERS)
def report(site_id: str, placement: str, query: PeriodQuery) -> ReportReply:
    """What was answered there in a period, question by question."""
    return ReportReply.model_validate(actions.report(_which(site_id, placement), query.period, store=context().store))


@blueprint.post("/responses")
@blueprint.input(ResponseBody, arg_name="body")
@blueprint.output(RecordedReply, status_code=201)
@blueprint.doc(
    responses={
        204: "Nothing was asked that had to be answered, and nothing was answered.",
        409: "Other answers were given already, or an answer tells of an age under 18.",
    }
)
@auth.require_role("public", "visitor")
def record_response(body: ResponseBody) -> RecordedReply | Response:
    """Check and keep a visitor's answers."""
    caller = auth.caller()
    visitor_id = caller.subject if caller.role == "visitor" else None
    submission = actions.Submission(customer_id=auth.customer(), visitor_id=visitor_id, **dict(body))
    response = actions.record_response(submission, store=context().store, now=now())
    return RecordedReply.model_validate(response) if response else Response(status=204)


@blueprint.get("/responses")
@blueprint.input(ResponsesQuery, location="query", arg_name="query")
@blueprint.output(ResponsesReply)
@auth.require_role(*READERS, "service")
def responses(query: ResponsesQuery) -> ResponsesReply:
    """The responses that belong to a conversation."""
    found = actions.responses_in(auth.customer(), query.conversation_id, store=context().store, now=now())
    return ResponsesReply(responses=[ResponseReply.model_validate(response) for response in found])


@blueprint.get("/own-responses")
@blueprint.input(PageQuery, location="query", arg_name="query")
@blueprint.output(ListReply)
@auth.require_role("visitor")
def own_responses(query: PageQuery) -> ListReply:
    """All that the visitor who asks has answered, with a conversation and without, the newest first."""
    found, following = actions.own_responses(
        auth.customer(),
        auth.caller().subject or "",
        after=query.place,
        limit=query.limit,
        store=context().store,
        now=now(),
    )
    return ListReply(responses=[ResponseReply.model_validate(one) for one in found], next=cursor(following))


@blueprint.post("/visitors-of-address")
@blueprint.input(AddressBody, arg_name="body")
@blueprint.output(VisitorsReply)
@auth.require_role("service")
def visitors_of_address(body: AddressBody) -> VisitorsReply:
    """Those visitors of the customer who have given this e-mail address in an answer. It has been confirmed before."""
    return VisitorsReply(visitor_ids=context().store.visitors_of_address(auth.customer(), body.email))


@blueprint.get("/staff/survey-report")
@blueprint.output(ServiceReportReply)
@auth.require_role(*auth.STAFF)
def service_report() -> ServiceReportReply:
    """What visitors of all customers say about our own service: whole tens, by month, topic and rating."""
    found = actions.service_ratings(store=context().store)
    return ServiceReportReply(months=[ServiceRatingsReply.model_validate(one) for one in found])


def _which(site_id: str, placement: str) -> Which:
    if placement not in PLACEMENTS:
        raise SurveyNotFound
    return Which(customer_id=auth.customer(), site_id=site_id, placement=placement)
