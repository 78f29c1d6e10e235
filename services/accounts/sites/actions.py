"""What can be done with sites."""

from services.accounts.sites.model import Site
from services.accounts.sites.store import SiteStore


def site_by_key(site_key: str, *, sites: SiteStore) -> Site:
    return sites.by_key(site_key)


def sites_of(customer_id: str, *, sites: SiteStore) -> list[Site]:
    return sites.all(customer_id)
