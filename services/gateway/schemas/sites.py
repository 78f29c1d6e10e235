"""A customer's sites, and what they choose for their visitors."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from chassis.web import Body, Reply
from services.gateway.schemas.fields import _without_nul
from services.gateway.schemas.widget import WidgetInvitationOut


class InvitationIn(Body):
    text: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_without_nul)]
    after_seconds: Annotated[int, Field(ge=1, le=3600)]
    after_pages: Annotated[int, Field(ge=1, le=50)] = 1
    every_hours: Annotated[int, Field(ge=1, le=24 * 90)] = 24


class ChoicesIn(Body):
    """What is captured of a site's visitors, and what may be done with them. Off means that it is nowhere written."""

    ip_capture: Literal["full", "truncated", "off"]
    has_browser: bool
    has_language: bool
    page_capture: Annotated[
        Literal["full", "path", "off"],
        Field(description="Addresses of pages with their query, without it, or not at all."),
    ]
    has_trail: bool
    has_cookies: bool
    invitation: InvitationIn | None


class InvitationOut(WidgetInvitationOut):
    every_hours: int


class ChoicesOut(Reply):
    ip_capture: str
    has_browser: bool
    has_language: bool
    page_capture: str
    has_trail: bool
    has_cookies: bool
    invitation: InvitationOut | None


class SiteOut(Reply):
    site_id: str
    site_key: str
    name: str
    origins: list[str]
    departments: list[Any] = []
    texts: dict[str, Any] = {}
    theme: dict[str, Any] = {}
    ip_capture: str
    cookies: dict[str, Any] = {}
    choices: ChoicesOut


class SitesOut(Reply):
    sites: list[SiteOut]
