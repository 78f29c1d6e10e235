"""What sites ask, what was answered, and what that comes to; for operators."""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from chassis.auth import Caller
from services.gateway.bootstrap import Context, context
from services.gateway.routes import access
from services.gateway.schemas.fields import LARGEST_VERSION
from services.gateway.schemas.surveys import (
    DraftOut,
    PeriodQuery,
    ReportOut,
    ResponsesQuery,
    SurveyIn,
    SurveyOut,
    SurveyResponsesOut,
    VersionsOut,
    VersionsQuery,
)

blueprint = APIBlueprint("surveys", __name__, url_prefix="/api/v1/sites")

SURVEY = "/<opaque:site_id>/surveys/<opaque:placement>"
PLACEMENTS = ("pre-chat", "post-chat", "offline")
FOREIGN = "No such site, not one of yours, or no such survey."
PAGE = 200

Asked = tuple[Context, Caller]


def _asked(site_id: str, placement: str, *roles: Any) -> Asked:
    """Who asks for the survey of a site, which has to be their own: surveys does not know which sites there are."""
    here = context()
    caller = access.operator("surveys", *roles)
    is_own = site_id in {site["site_id"] for site in here.accounts.sites(caller)["sites"]}
    if not is_own or placement not in PLACEMENTS:
        raise access.not_found()
    return here, caller


@blueprint.get(SURVEY)
@blueprint.output(SurveyOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def show_survey(site_id: str, placement: str) -> Any:
    """What the site asks: `pre-chat` before a conversation, `post-chat` after it, `offline` when nobody is there."""
    here, caller = _asked(site_id, placement)
    survey = here.surveys.survey(caller, site_id, placement)
    if survey is None:
        raise access.not_found()
    return survey


@blueprint.put(SURVEY)
@blueprint.input(SurveyIn)
@blueprint.output(SurveyOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def publish_survey(site_id: str, placement: str, json_data: SurveyIn) -> Any:
    """Publish a new version of what the site asks; without questions it asks nothing from now on."""
    here, caller = _asked(site_id, placement, *access.ADMINS)
    return here.surveys.publish(caller, site_id, placement, json_data.plain())


@blueprint.get(f"{SURVEY}/versions")
@blueprint.input(VersionsQuery, location="query")
@blueprint.output(VersionsOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def list_versions(site_id: str, placement: str, query_data: VersionsQuery) -> Any:
    """Everything that was ever published there, the newest first."""
    here, caller = _asked(site_id, placement)
    return here.surveys.versions(caller, site_id, placement, query_data.model_dump(mode="json"))


@blueprint.get(f"{SURVEY}/versions/<int:version>")
@blueprint.output(SurveyOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def show_version(site_id: str, placement: str, version: int) -> Any:
    """One published version. It never changes."""
    here, caller = _asked(site_id, placement)
    return here.surveys.version(caller, site_id, placement, min(version, LARGEST_VERSION))


@blueprint.get(f"{SURVEY}/draft")
@blueprint.output(DraftOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def show_draft(site_id: str, placement: str) -> Any:
    """What somebody means to publish there."""
    here, caller = _asked(site_id, placement)
    return here.surveys.draft(caller, site_id, placement)


@blueprint.put(f"{SURVEY}/draft")
@blueprint.input(SurveyIn)
@blueprint.output(DraftOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def save_draft(site_id: str, placement: str, json_data: SurveyIn) -> Any:
    """Keep questions for later; nobody is asked them. There is one draft, and publishing ends it."""
    here, caller = _asked(site_id, placement, *access.ADMINS)
    return here.surveys.save_draft(caller, site_id, placement, json_data.plain())


@blueprint.delete(f"{SURVEY}/draft")
@blueprint.output({}, 204)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def drop_draft(site_id: str, placement: str) -> Any:
    """Forget the draft."""
    here, caller = _asked(site_id, placement, *access.ADMINS)
    here.surveys.drop_draft(caller, site_id, placement)
    return ""


@blueprint.get(f"{SURVEY}/responses")
@blueprint.input(ResponsesQuery, location="query")
@blueprint.output(SurveyResponsesOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def list_responses(site_id: str, placement: str, query_data: ResponsesQuery) -> Any:
    """What visitors answered there, the newest first."""
    here, caller = _asked(site_id, placement)
    return here.surveys.responses(caller, site_id, placement, query_data.model_dump(mode="json"))


@blueprint.get(f"{SURVEY}/report")
@blueprint.input(PeriodQuery, location="query")
@blueprint.output(ReportOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def show_report(site_id: str, placement: str, query_data: PeriodQuery) -> Any:
    """What the answers come to, question by question."""
    here, caller = _asked(site_id, placement)
    return here.surveys.report(caller, site_id, placement, query_data.model_dump(mode="json"))


@blueprint.get(f"{SURVEY}/responses.csv")
@blueprint.input(PeriodQuery, location="query")
@blueprint.output({}, 200, content_type="text/csv")
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def export_responses(site_id: str, placement: str, query_data: PeriodQuery) -> Any:
    """All responses as a table for spreadsheets, the newest first; one column for each question that was answered."""
    here, caller = _asked(site_id, placement)
    period = query_data.model_dump(mode="json")
    report = here.surveys.report(caller, site_id, placement, period)
    rows = _rows(report["questions"], _pages(here, caller, site_id, placement, period))
    response = Response(_as_csv(rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="responses-{placement}.csv"'
    return response


def _pages(
    here: Context, caller: Caller, site_id: str, placement: str, period: dict[str, Any]
) -> Iterator[list[dict[str, Any]]]:
    """One page after the other, so that no more than one is ever held."""
    after = None
    while True:
        asked = period | {"after": after, "limit": PAGE}
        found = here.surveys.responses(caller, site_id, placement, asked)
        yield found["responses"]
        after = found["next"]
        if after is None:
            return


def _rows(questions: list[dict[str, Any]], pages: Iterator[list[dict[str, Any]]]) -> Iterator[list[str]]:
    columns = list({question["question_id"]: question["label"] for question in questions}.items())
    yield ["Answered at", "Version", "Conversation", *(label for _, label in columns)]
    for page in pages:
        for one in page:
            given = {answer["question_id"]: answer["value"] for answer in one["answers"]}
            answers = (given.get(question_id, "") for question_id, _ in columns)
            yield [one["answered_at"], str(one["survey_version"]), one["conversation_id"] or "", *answers]


def _as_csv(rows: Iterator[list[str]]) -> Iterator[str]:
    # Spreadsheets take a file for UTF-8 only if it says so.
    yield "\ufeff"
    for row in rows:
        line = io.StringIO()
        csv.writer(line).writerow([harmless(cell) for cell in row])
        yield line.getvalue()


_number = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")


def harmless(cell: str) -> str:
    """The cell as a spreadsheet can only take it for text: none of it is run as a formula. Numbers stay numbers."""
    looks_like_a_formula = cell.lstrip().startswith(("=", "+", "-", "@", "|", "%")) or cell[:1] in ("\t", "\r", "\n")
    return f"'{cell}" if looks_like_a_formula and not _number.match(cell) else cell
