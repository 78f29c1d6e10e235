"""What can be done with sites."""

from services.accounts.sites.model import Choices, Site
from services.accounts.sites.store import SiteStore


def site_by_key(site_key: str, *, sites: SiteStore) -> Site:
    return sites.by_key(site_key)


def sites_of(customer_id: str, *, sites: SiteStore) -> list[Site]:
    return sites.all(customer_id)


def choose(customer_id: str, site_id: str, choices: Choices, *, sites: SiteStore) -> Site:
    """What the owner wants captured of the site's visitors, and done with them, from now on."""
    return sites.choose(customer_id, site_id, choices)
