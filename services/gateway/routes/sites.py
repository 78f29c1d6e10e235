"""Sites and their surveys, for operators."""

from typing import Any

from apiflask import APIBlueprint

from services.gateway import schemas
from services.gateway.bootstrap import context
from services.gateway.routes import access

blueprint = APIBlueprint("sites", __name__, url_prefix="/api/v1/sites")

FOREIGN = "No such site, or not one of yours."


@blueprint.get("")
@blueprint.output(schemas.SitesOut)
@blueprint.doc(security=access.OPERATOR)
def list_sites() -> Any:
    """The customer's sites."""
    return context().accounts.sites(access.operator("surveys"))


@blueprint.get("/<opaque:site_id>/surveys/pre-chat")
@blueprint.output(schemas.SurveyOut)
@blueprint.doc(security=access.OPERATOR, responses={404: "No such site, not one of yours, or no survey yet."})
def show_survey(site_id: str) -> Any:
    """What the site asks before a conversation."""
    survey = context().surveys.survey(access.operator("surveys"), site_id)
    if survey is None:
        raise access.not_found()
    return survey


@blueprint.put("/<opaque:site_id>/surveys/pre-chat")
@blueprint.input(schemas.SurveyIn)
@blueprint.output(schemas.SurveyOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def replace_survey(site_id: str, json_data: schemas.SurveyIn) -> Any:
    """Publish a new version of what the site asks before a conversation."""
    here = context()
    caller = access.operator("surveys", *access.ADMINS)
    # Surveys does not know which sites there are.
    if site_id not in {site["site_id"] for site in here.accounts.sites(caller)["sites"]}:
        raise access.not_found()
    questions = [question.model_dump(mode="json", exclude_none=True) for question in json_data.questions]
    return here.surveys.replace_survey(caller, site_id, questions)
