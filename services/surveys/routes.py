"""Surveys and responses over HTTP."""

from apiflask import APIBlueprint
from flask import Response

from chassis import auth
from chassis.clock import now
from services.surveys import actions
from services.surveys.bootstrap import context
from services.surveys.schemas import (
    RecordedReply,
    ResponseBody,
    ResponseReply,
    ResponsesQuery,
    ResponsesReply,
    SurveyBody,
    SurveyReply,
)

blueprint = APIBlueprint("surveys", __name__, url_prefix="/internal/v1")


@blueprint.get("/surveys/<site_id>/pre-chat")
@blueprint.output(SurveyReply)
def survey(site_id: str) -> SurveyReply:
    """The survey a site shows before a conversation, as it is now."""
    found = actions.current_survey(auth.customer(), site_id, "pre-chat", store=context().store)
    return SurveyReply.model_validate(found)


@blueprint.put("/surveys/<site_id>/pre-chat")
@blueprint.input(SurveyBody, arg_name="body")
@blueprint.output(SurveyReply)
@auth.require_role("owner", "admin")
def replace_survey(site_id: str, body: SurveyBody) -> SurveyReply:
    """Publish these questions as the next version; earlier versions and their responses stay as they are."""
    questions = tuple(question.question() for question in body.questions)
    published = actions.publish_survey(
        auth.customer(), site_id, "pre-chat", questions, store=context().store, now=now()
    )
    return SurveyReply.model_validate(published)


@blueprint.post("/responses")
@blueprint.input(ResponseBody, arg_name="body")
@blueprint.output(RecordedReply, status_code=201)
@blueprint.doc(responses={204: "Nothing was asked that had to be answered, and nothing was answered."})
@auth.require_role("public", "visitor")
def record_response(body: ResponseBody) -> RecordedReply | Response:
    """Check and keep a visitor's answers until their conversation is opened."""
    submission = actions.Submission(
        customer_id=auth.customer(),
        site_id=body.site_id,
        conversation_id=body.conversation_id,
        placement=body.placement,
        answers=body.answers,
    )
    response = actions.record_response(submission, store=context().store, now=now())
    return RecordedReply.model_validate(response) if response else Response(status=204)


@blueprint.get("/responses")
@blueprint.input(ResponsesQuery, location="query", arg_name="query")
@blueprint.output(ResponsesReply)
@auth.require_role("owner", "admin", "operator", "analyst", "service")
def responses(query: ResponsesQuery) -> ResponsesReply:
    """The responses that belong to a conversation."""
    found = actions.responses_in(auth.customer(), query.conversation_id, store=context().store, now=now())
    return ResponsesReply(responses=[ResponseReply.model_validate(response) for response in found])
