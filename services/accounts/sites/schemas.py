"""What sites look like over HTTP."""

from typing import Annotated, Self

import msgspec
from pydantic import AfterValidator, Field, StringConstraints

from chassis.web import Body, Reply
from services.accounts.sites.model import Choices, IpCapture, OriginNotValid, PageCapture, Site, origin

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
]


def _origin(text: str) -> str:
    try:
        return origin(text)
    except OriginNotValid as error:
        raise ValueError("must be an origin, such as https://shop.example") from error


class SiteBody(Body):
    name: Name
    origins: Annotated[
        list[Annotated[str, StringConstraints(max_length=300), AfterValidator(_origin)]],
        Field(min_length=1, max_length=20),
    ]
    departments: Annotated[list[Name], Field(max_length=50)] = []
    ip_capture: IpCapture = "full"


class Theme(Reply):
    color: str


class Cookies(Reply):
    enabled: bool


class InvitationBody(Body):
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    after_seconds: Annotated[int, Field(ge=1, le=3600)]
    after_pages: Annotated[int, Field(ge=1, le=50)]
    every_hours: Annotated[int, Field(ge=1, le=24 * 90)]


class ChoicesBody(Body):
    ip_capture: IpCapture
    has_browser: bool
    has_language: bool
    page_capture: PageCapture
    has_trail: bool
    has_cookies: bool
    invitation: InvitationBody | None

    @property
    def choices(self) -> Choices:
        return msgspec.convert(self.model_dump(), Choices)


class InvitationReply(Reply):
    text: str
    after_seconds: int
    after_pages: int
    every_hours: int


class ChoicesReply(Reply):
    ip_capture: IpCapture
    has_browser: bool
    has_language: bool
    page_capture: PageCapture
    has_trail: bool
    has_cookies: bool
    invitation: InvitationReply | None


class SiteReply(Reply):
    site_id: str
    customer_id: str
    site_key: str
    name: str
    origins: list[str]
    departments: list[str]
    texts: dict[str, str]
    theme: Theme
    ip_capture: IpCapture
    cookies: Cookies
    choices: ChoicesReply

    @classmethod
    def of(cls, site: Site) -> Self:
        return cls(
            site_id=site.site_id,
            customer_id=site.customer_id,
            site_key=site.site_key,
            name=site.name,
            origins=list(site.origins),
            departments=list(site.departments),
            texts=site.texts,
            theme=Theme(color=site.color),
            ip_capture=site.choices.ip_capture,
            cookies=Cookies(enabled=site.choices.has_cookies),
            choices=ChoicesReply.model_validate(site.choices),
        )


class SitesReply(Reply):
    sites: list[SiteReply]
