"""What sites look like over HTTP."""

from typing import Self

from chassis.web import Reply
from services.accounts.sites.model import IpCapture, Site


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
