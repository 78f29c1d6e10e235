"""What visitors say about our own service."""

from typing import Any

from apiflask import APIBlueprint

from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.surveys import ServiceReportOut

blueprint = APIBlueprint("staff_surveys", __name__, url_prefix="/api/v1/staff")


@blueprint.get("/survey-report")
@blueprint.output(ServiceReportOut)
@blueprint.doc(security=access.STAFF)
def show_service_report() -> Any:
    """Ratings of our service, of all customers together: by month and topic, in whole tens, and none under ten."""
    return context().surveys.service_report(access.staff())
