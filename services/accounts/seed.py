"""Makes a customer with a site and operators, and staff, from JSON on standard input; prints what there is now.

    python -m services.accounts seed < customer.json

Run again, also after it was stopped half-way, it completes and corrects what is there and adds nothing twice:
a customer is known by its name, a site by its name within the customer, operators and staff by the e-mail address.
"""

import sys
from contextlib import redirect_stdout
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, uuid5

import msgspec
from pydantic import AfterValidator, Field, StringConstraints, ValidationError

from chassis.auth import StaffRole
from chassis.clock import now
from chassis.ids import new_id
from chassis.web import Body
from services.accounts.bootstrap import Context, bootstrap
from services.accounts.customers.model import Customer
from services.accounts.details.actions import give
from services.accounts.details.model import DetailsNotValid
from services.accounts.details.schemas import BillingBody, ContactBody
from services.accounts.operators.model import (
    Acting,
    EmailTaken,
    Operator,
    OperatorRole,
    valid_email,
    valid_password,
)
from services.accounts.sessions.actions import sign_out_everywhere
from services.accounts.sites.model import IpCapture, Site, SiteKeyTaken, new_site_key, origin, site_id_of
from services.accounts.staff.model import Staff

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class SeededCustomer(Body):
    """With ``contact`` and ``billing``, as if its owner had just given and confirmed them."""

    name: Name
    contact: ContactBody | None = None
    billing: BillingBody | None = None


class SeededSite(Body):
    name: Name
    origins: Annotated[list[Annotated[str, AfterValidator(origin)]], Field(min_length=1, max_length=20)]
    site_key: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")] | None = None
    departments: Annotated[list[Name], Field(max_length=50)] = []
    ip_capture: IpCapture | None = None


class SeededOperator(Body):
    email: Annotated[str, AfterValidator(valid_email)]
    name: Name
    role: OperatorRole
    password: Annotated[str, AfterValidator(valid_password)]


class SeededStaff(Body):
    email: Annotated[str, AfterValidator(valid_email)]
    name: Name
    role: Literal["support", "reviewer", "legal", "admin"]
    password: Annotated[str, AfterValidator(valid_password)]

    @property
    def staff_role(self) -> StaffRole:
        """What the role is called where roles of operators are about as well."""
        roles: dict[str, StaffRole] = {
            "support": "staff-support",
            "reviewer": "staff-reviewer",
            "legal": "staff-legal",
            "admin": "staff-admin",
        }
        return roles[self.role]


class Seed(Body):
    customer: SeededCustomer
    site: SeededSite
    operators: Annotated[list[SeededOperator], Field(max_length=100)] = []
    staff: Annotated[list[SeededStaff], Field(max_length=100)] = []


def main() -> None:
    """Read, check, write, print; on bad input or a conflict, one line a problem and status 1."""
    try:
        wanted = Seed.model_validate(msgspec.json.decode(sys.stdin.buffer.read()))
        # Standard output is for the answer alone, so logs go the other way.
        with redirect_stdout(sys.stderr):
            made = seed(wanted, context=bootstrap(), now=now())
    except ValidationError as error:
        raise SystemExit("\n".join(_lines(error))) from None
    except DetailsNotValid as error:
        raise SystemExit("\n".join(f"{each['field']}: {each['detail']}" for each in error.members["errors"])) from None
    except (msgspec.DecodeError, EmailTaken, SiteKeyTaken) as error:
        raise SystemExit(f"Not seeded: {type(error).__doc__ or error}") from None
    sys.stdout.write(msgspec.json.encode(made).decode() + "\n")


def _lines(error: ValidationError) -> list[str]:
    problems = error.errors(include_input=False, include_url=False)
    return [f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in problems]


def seed(wanted: Seed, *, context: Context, now: datetime) -> dict[str, Any]:
    """Each step can be repeated, so whatever a stopped run has left is where the next one goes on."""
    customer_id = str(uuid5(NAMESPACE_URL, f"velaro:customer:{wanted.customer.name}"))
    context.customers.add_once(Customer(customer_id=customer_id, name=wanted.customer.name, created_at=now))
    _details(wanted.customer, customer_id, context=context, now=now)
    site = _site(wanted.site, customer_id, context=context, now=now)
    operators = [_operator(one, customer_id, context=context, now=now) for one in wanted.operators]
    staff = [_staff(one, context=context, now=now) for one in wanted.staff]
    return {
        "customer_id": customer_id,
        "site_id": site.site_id,
        "site_key": site.site_key,
        "operators": [
            {"operator_id": one.operator_id, "email": one.email, "name": one.name, "role": one.role}
            for one in operators
        ],
        "staff": [{"staff_id": one.staff_id, "email": one.email, "name": one.name, "role": one.role} for one in staff],
    }


def _details(wanted: SeededCustomer, customer_id: str, *, context: Context, now: datetime) -> None:
    context.details.begin(customer_id, now)
    who = Acting(customer_id=customer_id, operator_id="", session_id="", name="Set up with the account")
    contact = wanted.contact.plain() if wanted.contact else None
    billing = wanted.billing.plain() if wanted.billing else None
    give(who, contact, billing, now=now, details=context.details)


def _site(wanted: SeededSite, customer_id: str, *, context: Context, now: datetime) -> Site:
    site = Site(
        site_id=site_id_of(customer_id, wanted.name),
        customer_id=customer_id,
        site_key=wanted.site_key or new_site_key(),
        name=wanted.name,
        origins=tuple(dict.fromkeys(wanted.origins)),
        departments=tuple(wanted.departments),
        created_at=now,
    )
    kept = context.sites.put(customer_id, site)
    if wanted.ip_capture is None:
        return kept
    # Only what the seed names: the rest is what the owner has chosen meanwhile.
    choices = msgspec.structs.replace(kept.choices, ip_capture=wanted.ip_capture)
    return context.sites.choose(customer_id, kept.site_id, choices)


def _operator(wanted: SeededOperator, customer_id: str, *, context: Context, now: datetime) -> Operator:
    known = context.operators.by_email(wanted.email)
    if known is None:
        return context.operators.add_once(customer_id, _new(wanted, customer_id, context=context, now=now))
    if known.customer_id != customer_id:
        raise EmailTaken
    _correct(wanted, known, context=context, now=now)
    return context.operators.get(customer_id, known.operator_id)


def _new(wanted: SeededOperator, customer_id: str, *, context: Context, now: datetime) -> Operator:
    return Operator(
        operator_id=new_id(),
        customer_id=customer_id,
        email=wanted.email,
        name=wanted.name,
        role=wanted.role,
        password_hash=context.passwords.hash(wanted.password),
        created_at=now,
    )


def _correct(wanted: SeededOperator, known: Operator, *, context: Context, now: datetime) -> None:
    context.operators.set_details(known.customer_id, known.operator_id, name=wanted.name, role=wanted.role)
    if context.passwords.matches(wanted.password, known.password_hash):
        return
    # First the sessions that stood on the old password: stopped in between, the next run comes by here again.
    sign_out_everywhere(known.customer_id, known.operator_id, now=now, sessions=context.sessions)
    context.operators.set_password(
        known.customer_id, known.operator_id, context.passwords.hash(wanted.password), changed_at=now
    )


def _staff(wanted: SeededStaff, *, context: Context, now: datetime) -> Staff:
    known = context.staff.by_email(wanted.email)
    if known is None:
        return context.staff.add_once(
            Staff(
                staff_id=new_id(),
                email=wanted.email,
                name=wanted.name,
                role=wanted.staff_role,
                password_hash=context.passwords.hash(wanted.password),
                created_at=now,
            )
        )
    context.staff.set_details(known.staff_id, name=wanted.name, role=wanted.staff_role)
    if not context.passwords.matches(wanted.password, known.password_hash):
        # As with operators: first the sessions that stood on the old one.
        context.staff_sessions.remove_all(known.staff_id)
        context.staff.set_password(known.staff_id, context.passwords.hash(wanted.password))
    return context.staff.get(known.staff_id)
