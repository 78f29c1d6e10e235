import pytest

from services.accounts.operators.model import EmailNotValid, PasswordNotValid, normalised, valid_email, valid_password


@pytest.mark.parametrize(
    "spelling",
    ["Ann@Shop.Example", " ann@shop.example\n", "\uff21\uff2e\uff2e@shop.example", "ANN@SHOP.EXAMPLE"],
)
def test_an_address_has_one_spelling(spelling):
    assert normalised(spelling) == "ann@shop.example"


@pytest.mark.parametrize("wrong", ["", "ann", "@shop.example", "ann@", "a@b@c", "a b@c", "a" * 65 + "@b", "a\x00@b"])
def test_what_is_no_address_is_refused(wrong):
    with pytest.raises(EmailNotValid):
        valid_email(wrong)


@pytest.mark.parametrize("wrong", ["=?idna?b?\x7f?=@1", "..@1", ":@b", "a,b@c", "a\x7f@b", "a@=?utf-8?q?b?="])
def test_what_no_header_can_hold_is_refused(wrong):
    with pytest.raises(EmailNotValid):
        valid_email(wrong)


@pytest.mark.parametrize("wrong", ["", "short", "x" * 11, "x" * 1025])
def test_a_password_is_neither_short_nor_endless(wrong):
    with pytest.raises(PasswordNotValid):
        valid_password(wrong)


def test_twelve_characters_are_a_password():
    assert valid_password("x" * 12)
