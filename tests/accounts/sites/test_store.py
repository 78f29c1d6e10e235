import msgspec
import pytest

from services.accounts.sites.model import Choices, Invitation, SiteKeyTaken, SiteNotFound
from tests.accounts.builders import a_site

INVITATION = Invitation(text="Hello?", after_seconds=20, after_pages=2, every_hours=24)


def test_a_site_comes_back_as_it_was_put(context):
    site = a_site(departments=("Sales",), choices=Choices(ip_capture="truncated", invitation=INVITATION))

    assert context.sites.put("c1", site) == site
    assert context.sites.by_key(site.site_key) == site
    assert context.sites.all("c1") == [site]


def test_putting_it_again_changes_all_but_the_key(context):
    site = context.sites.put("c1", a_site())
    changed = msgspec.structs.replace(site, name="New", origins=("https://new.example",), site_key="another-key")

    again = context.sites.put("c1", changed)

    assert (again.name, again.origins, again.site_key) == ("New", ("https://new.example",), site.site_key)
    assert context.sites.all("c1") == [again]


def test_what_the_owner_has_chosen_stays_when_the_site_is_put_again(context):
    site = context.sites.put("c1", a_site())
    chosen = Choices(ip_capture="off", has_cookies=True, invitation=INVITATION)

    context.sites.choose("c1", site.site_id, chosen)

    assert context.sites.put("c1", site).choices == chosen


def test_another_customer_cannot_choose(context):
    site = context.sites.put("c1", a_site())

    with pytest.raises(SiteNotFound):
        context.sites.choose("c2", site.site_id, Choices(ip_capture="off"))
    assert context.sites.by_key(site.site_key) == site


def test_a_site_from_before_there_were_choices_keeps_its_one(context):
    site = context.sites.put("c1", a_site())
    context.database["sites"].update_one({}, {"$unset": {"choices": ""}, "$set": {"ip_capture": "off"}})

    assert context.sites.by_key(site.site_key).choices == Choices(ip_capture="off")


def test_a_key_belongs_to_one_site(context):
    site = context.sites.put("c1", a_site())

    with pytest.raises(SiteKeyTaken):
        context.sites.put("c2", a_site("c2", site_key=site.site_key))


def test_another_customer_can_neither_see_nor_change_it(context):
    site = context.sites.put("c1", a_site())

    with pytest.raises(SiteKeyTaken):
        context.sites.put("c2", msgspec.structs.replace(site, name="Stolen"))
    assert context.sites.all("c2") == []
    assert context.sites.by_key(site.site_key) == site


def test_an_unknown_key_is_no_site(context):
    with pytest.raises(SiteNotFound):
        context.sites.by_key("unknown-key")
