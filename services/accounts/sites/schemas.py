"""What sites look like over HTTP."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints

from chassis.web import Body, Reply
from services.accounts.sites.model import IpCapture, OriginNotValid, Site, origin

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
            ip_capture=site.ip_capture,
            cookies=Cookies(enabled=site.has_cookies),
        )


class SitesReply(Reply):
    sites: list[SiteReply]
