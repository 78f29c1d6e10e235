"""The accounts service over HTTP."""

from apiflask import APIFlask

from chassis import auth, mongo, web
from services.accounts.audit import routes as audit
from services.accounts.audit.model import CursorNotValid
from services.accounts.bootstrap import SERVICE, Context, bootstrap
from services.accounts.details import routes as details
from services.accounts.details.model import (
    AccountIncomplete,
    CardNumberRefused,
    DetailsChanged,
    DetailsMissing,
    DetailsNotValid,
)
from services.accounts.disclosures import routes as disclosures
from services.accounts.disclosures.model import (
    AlreadyDecided as DisclosureAlreadyDecided,
)
from services.accounts.disclosures.model import (
    BundleGone,
    CustomerNotFound,
    DisclosureNotFound,
    GagNotValid,
    KeyNotValid,
    PeriodNotOver,
    SecondPersonNeeded,
)
from services.accounts.identity import routes as identity
from services.accounts.identity.model import (
    AlreadyDecided,
    DocumentNotValid,
    IdentityRequired,
    VerificationNotFound,
    VerificationOpen,
)
from services.accounts.inquiries import routes as inquiries
from services.accounts.inquiries.model import ConfirmationNotValid, InquiryClosed, InquiryNotFound
from services.accounts.notices import routes as notices
from services.accounts.operators import routes as operators
from services.accounts.operators.model import NotAnOwner, OperatorNotFound
from services.accounts.policy import routes as policy
from services.accounts.policy.model import (
    DraftChanged,
    DraftMissing,
    EffectiveTooEarly,
    PolicyMissing,
    VersionNotFound,
)
from services.accounts.sessions import routes as sessions
from services.accounts.sessions.model import (
    ExpiryPassed,
    SessionNeeded,
    SessionNotLive,
    TokenNotFound,
    WrongCredentials,
)
from services.accounts.sites import routes as sites
from services.accounts.sites.model import SiteExists, SiteNotFound, TooManySites
from services.accounts.staff import routes as staff
from services.accounts.staff.model import StaffSessionNotLive

PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    WrongCredentials: (401, "wrong-credentials"),
    SessionNeeded: (403, "session-needed"),
    NotAnOwner: (403, "forbidden"),
    IdentityRequired: (403, "identity-required"),
    VerificationNotFound: (404, "not-found"),
    OperatorNotFound: (404, "not-found"),
    SessionNotLive: (404, "not-found"),
    SiteNotFound: (404, "not-found"),
    TokenNotFound: (404, "not-found"),
    StaffSessionNotLive: (404, "not-found"),
    VersionNotFound: (404, "not-found"),
    InquiryNotFound: (404, "not-found"),
    ConfirmationNotValid: (404, "not-found"),
    DraftMissing: (404, "not-found"),
    DetailsMissing: (404, "not-found"),
    DraftChanged: (409, "draft-changed"),
    DetailsChanged: (409, "details-changed"),
    AccountIncomplete: (409, "account-incomplete"),
    VerificationOpen: (409, "verification-open"),
    AlreadyDecided: (409, "already-decided"),
    SiteExists: (409, "site-exists"),
    TooManySites: (409, "too-many-sites"),
    CardNumberRefused: (422, "card-number"),
    DetailsNotValid: (422, "invalid"),
    DocumentNotValid: (422, "document-not-valid"),
    CustomerNotFound: (404, "not-found"),
    DisclosureNotFound: (404, "not-found"),
    SecondPersonNeeded: (403, "second-person-needed"),
    DisclosureAlreadyDecided: (409, "already-decided"),
    BundleGone: (410, "bundle-gone"),
    CursorNotValid: (422, "invalid"),
    KeyNotValid: (422, "invalid"),
    GagNotValid: (422, "invalid"),
    PeriodNotOver: (422, "invalid"),
    InquiryClosed: (409, "closed"),
    ExpiryPassed: (422, "invalid"),
    EffectiveTooEarly: (422, "invalid"),
    PolicyMissing: (503, "unavailable"),
}


def create_app(context: Context | None = None) -> APIFlask:
    """The application; every route but health and the like wants a service token."""
    context = context or bootstrap()
    readiness = {"database": lambda: mongo.ping(context.database)}
    app = web.service_app(SERVICE, title="Velaro accounts", readiness=readiness, problems=PROBLEMS)
    app.extensions[SERVICE] = context
    auth.require_token(app, context.verifier)
    for noun in (audit, details, disclosures, identity, inquiries, notices, operators, policy, sessions, sites, staff):
        app.register_blueprint(noun.blueprint)
    return app
