"""The accounts service over HTTP."""

from apiflask import APIFlask

from chassis import auth, mongo, web
from services.accounts.bootstrap import SERVICE, Context, bootstrap
from services.accounts.details import routes as details
from services.accounts.details.model import (
    AccountIncomplete,
    CardNumberRefused,
    DetailsChanged,
    DetailsMissing,
    DetailsNotValid,
)
from services.accounts.identity import routes as identity
from services.accounts.identity.model import (
    AlreadyDecided,
    DocumentNotValid,
    IdentityRequired,
    VerificationNotFound,
    VerificationOpen,
)
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
from services.accounts.tickets import routes as tickets
from services.accounts.tickets.model import TicketNotValid, TicketNotYours

PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    WrongCredentials: (401, "wrong-credentials"),
    SessionNeeded: (403, "session-needed"),
    TicketNotYours: (403, "forbidden"),
    NotAnOwner: (403, "forbidden"),
    IdentityRequired: (403, "identity-required"),
    VerificationNotFound: (404, "not-found"),
    OperatorNotFound: (404, "not-found"),
    SessionNotLive: (404, "not-found"),
    SiteNotFound: (404, "not-found"),
    TicketNotValid: (404, "not-found"),
    TokenNotFound: (404, "not-found"),
    StaffSessionNotLive: (404, "not-found"),
    VersionNotFound: (404, "not-found"),
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
    for noun in (details, identity, notices, operators, policy, sessions, sites, staff, tickets):
        app.register_blueprint(noun.blueprint)
    return app
