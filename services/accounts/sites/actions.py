"""What can be done with sites."""

from datetime import datetime

import structlog

from services.accounts.details.actions import require_complete
from services.accounts.details.store import DetailsStore
from services.accounts.sites.model import (
    MOST_SITES,
    Choices,
    IpCapture,
    Site,
    SiteExists,
    TooManySites,
    new_site_key,
    site_id_of,
)
from services.accounts.sites.store import SiteStore

log = structlog.get_logger(__name__)


def site_by_key(site_key: str, *, sites: SiteStore) -> Site:
    return sites.by_key(site_key)


def sites_of(customer_id: str, *, sites: SiteStore) -> list[Site]:
    return sites.all(customer_id)


def add_site(
    customer_id: str,
    name: str,
    origins: tuple[str, ...],
    *,
    departments: tuple[str, ...],
    ip_capture: IpCapture,
    now: datetime,
    sites: SiteStore,
    details: DetailsStore,
) -> Site:
    """A new site; asked for again as it is, the same one. Raises ``AccountIncomplete``, ``SiteExists``."""
    require_complete(customer_id, now=now, details=details)
    if sites.count(customer_id) >= MOST_SITES:
        raise TooManySites
    wanted = Site(
        site_id=site_id_of(customer_id, name),
        customer_id=customer_id,
        site_key=new_site_key(),
        name=name,
        origins=origins,
        departments=departments,
        choices=Choices(ip_capture=ip_capture),
        created_at=now,
    )
    site = sites.add_once(customer_id, wanted)
    if (site.origins, site.departments, site.choices.ip_capture) != (origins, departments, ip_capture):
        raise SiteExists
    log.info("site added", customer_id=customer_id, site_id=site.site_id)
    return site


def choose(customer_id: str, site_id: str, choices: Choices, *, sites: SiteStore) -> Site:
    """What the owner wants captured of the site's visitors, and done with them, from now on."""
    return sites.choose(customer_id, site_id, choices)
