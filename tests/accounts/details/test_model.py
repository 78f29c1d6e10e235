"""What may stand in the details, and what never may."""

from datetime import timedelta

import pytest

from services.accounts.details import model
from services.accounts.details.model import Address, Billing, CardNumberRefused, Contact, Details, DetailsNotValid, Kept
from tests.accounts.builders import NOW

CARD = "4111111111111111"
BERLIN = {"street": "Rosenthaler Str. 40", "city": "Berlin", "postcode": "10178", "country": "DE"}
WASHINGTON = {
    "street": "1600 Pennsylvania Ave NW",
    "city": "Washington",
    "area": "DC",
    "postcode": "20500",
    "country": "US",
}


def an_address(**changed):
    return Address(**{**BERLIN, **changed})


def a_contact(**changed):
    fields = {
        "name": "Lamps & Co",
        "contact_person": "Lena Lamp",
        "email": "Lena@Lamps.example",
        "telephone": "+49 30 901820",
        "address": an_address(),
    }
    return Contact(**fields | changed)


def billing(**changed):
    fields = {"email": "pay@lamps.example", "address": an_address(), "tax_id": "DE 136 695 976", "currency": "EUR"}
    return Billing(**fields | changed)


def wrong(check, given):
    with pytest.raises(DetailsNotValid) as refused:
        check(given)
    return {each["field"] for each in refused.value.members["errors"]}


def test_details_are_kept_in_one_spelling():
    contact = model.checked_contact(a_contact(name="  Lamps  &\tCo "))

    assert (contact.name, contact.email, contact.telephone) == ("Lamps & Co", "lena@lamps.example", "+4930901820")
    assert model.checked_billing(billing()).tax_id == "136695976"


class TestCards:
    @pytest.mark.parametrize(
        "text",
        [
            CARD,
            "4111 1111 1111 1111",
            "4111-1111-1111-1111",
            "4111\u20131111\u00a01111 - 1111",
            "my card: 4111.1111.1111.1111, thanks",
            "12 4111 1111 1111 1111 34",
            "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
            "\uff14\uff11\uff11\uff11 1111 1111 1111",
            "4111\u200b1111\u200b1111\u200b1111",
            "\u0664\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661\u0661",
            "3782 822463 10005",
            "4222222222222",
            "6304000000000000000",
            f"0000{CARD}9999",
        ],
    )
    def test_a_card_number_is_seen_however_it_is_written(self, text):
        assert model.looks_like_card(text)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "411111111111",
            "4111 1111 1111 1112",
            "+49 30 901820",
            "10178 Berlin, 2nd floor, 14:00-15:00",
            "2026-11-24",
        ],
    )
    def test_other_digits_are_none(self, text):
        assert not model.looks_like_card(text)

    @pytest.mark.parametrize("field", ["name", "contact_person", "email", "telephone"])
    def test_no_field_of_the_contact_takes_one(self, field):
        with pytest.raises(CardNumberRefused) as refused:
            model.checked_contact(a_contact(**{field: f"{CARD}@x.example" if field == "email" else CARD}))
        assert [each["field"] for each in refused.value.members["errors"]] == [field]
        assert CARD not in str(refused.value.members) + str(refused.value)

    @pytest.mark.parametrize("field", ["street", "city", "area", "postcode", "country"])
    def test_no_line_of_an_address_takes_one(self, field):
        for check, given in ((model.checked_contact, a_contact), (model.checked_billing, billing)):
            with pytest.raises(CardNumberRefused):
                check(given(address=an_address(**{field: CARD})))

    @pytest.mark.parametrize("country", ["DE", "US"])
    def test_a_tax_id_is_none_whatever_the_country(self, country):
        address = Address(**WASHINGTON) if country == "US" else an_address()
        with pytest.raises(CardNumberRefused):
            model.checked_billing(billing(tax_id=CARD, address=address))

    def test_a_telephone_number_that_passes_their_check_is_a_telephone_number(self):
        number = next(each for each in (f"+49151234567{end:02}" for end in range(100)) if model.looks_like_card(each))
        assert model.checked_contact(a_contact(telephone=number)).telephone == number

    def test_a_tax_id_that_passes_their_check_is_a_tax_id(self):
        """A Brazilian one has 14 digits, of which one in ten passes."""
        address = an_address(
            street="Av. Paulista 1000", city="S\u00e3o Paulo", area="SP", postcode="01310-100", country="BR"
        )
        number = next(each for each in map(brazilian, range(1000)) if model.looks_like_card(each))
        assert model.checked_billing(billing(tax_id=number, address=address, currency="BRL")).tax_id == number


def brazilian(number):
    from stdnum.br import cnpj

    head = f"{number:08d}0001"
    return head + cnpj.calc_check_digits(head)


class TestCountries:
    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"postcode": "1017"}, "address.postcode"),
            ({"postcode": ""}, "address.postcode"),
            ({"city": ""}, "address.city"),
            ({"street": " "}, "address.street"),
            ({"country": "XX"}, "address.country"),
            ({"country": ""}, "address.country"),
            ({"country": "Germany"}, "address.country"),
            ({"country": "../de"}, "address.country"),
            (WASHINGTON | {"area": ""}, "address.area"),
            (WASHINGTON | {"area": "Bavaria"}, "address.area"),
            (WASHINGTON | {"postcode": "90210"[:4]}, "address.postcode"),
            ({"country": "GB", "postcode": "10178"}, "address.postcode"),
        ],
    )
    def test_an_address_is_held_to_the_rules_of_its_country(self, changed, field):
        assert field in wrong(model.checked_contact, a_contact(address=an_address(**changed)))

    @pytest.mark.parametrize(
        "given",
        [
            BERLIN,
            WASHINGTON,
            {"street": "10 Downing St", "city": "London", "postcode": "sw1a 2aa", "country": "gb"},
            {"street": "1 Queen's Road", "city": "", "postcode": "", "area": "Hong Kong Island", "country": "HK"},
        ],
    )
    def test_one_that_keeps_them_is_taken(self, given):
        kept = model.checked_contact(a_contact(address=Address(**given))).address
        assert kept.country == given["country"].upper()

    @pytest.mark.parametrize("telephone", ["", "030 901820", "+49", "+1 555", "call me", "+49 30 901820 ext. 5"])
    def test_a_telephone_number_names_its_country_and_is_one(self, telephone):
        assert wrong(model.checked_contact, a_contact(telephone=telephone)) == {"telephone"}

    def test_a_tax_id_is_one_of_its_country(self):
        assert wrong(model.checked_billing, billing(tax_id="DE123")) == {"tax_id"}
        assert model.checked_billing(billing(tax_id="")).tax_id == ""
        american = billing(tax_id="12-3456789", address=Address(**WASHINGTON), currency="USD")
        assert model.checked_billing(american).tax_id == "12-3456789"

    def test_everything_that_is_wrong_is_told_at_once(self):
        given = a_contact(name=" ", email="nobody", address=an_address(postcode="1"))
        assert wrong(model.checked_contact, given) == {"name", "email", "address.postcode"}


def some_details(contact_at=None, billing_at=None):
    def kept(value, at):
        return Kept(value=value, revision=1, confirmed_at=at) if at else None

    return Details(
        customer_id="c1", begun_at=NOW, contact=kept(a_contact(), contact_at), billing=kept(billing(), billing_at)
    )


class TestTheYear:
    def test_an_account_is_complete_while_both_are_confirmed_within_the_year(self):
        year, instant = timedelta(days=365), timedelta(milliseconds=1)
        details = some_details(NOW, NOW + timedelta(days=1))

        assert model.is_complete(details, NOW)
        assert model.is_complete(details, NOW + year - instant)
        assert not model.is_complete(details, NOW + year)
        assert model.state_of(details.billing, NOW + year) == "confirmed"
        assert details.due_at == NOW + year

    def test_one_part_alone_does_not_complete_it(self):
        for details in (some_details(), some_details(NOW), some_details(None, NOW)):
            assert not model.is_complete(details, NOW)
            assert details.due_at == NOW + model.GIVEN_WITHIN
