"""The accounts service over HTTP."""

from apiflask import APIFlask

from chassis import auth, mongo, web
from services.accounts.bootstrap import SERVICE, Context, bootstrap
from services.accounts.inquiries import routes as inquiries
from services.accounts.inquiries.model import ConfirmationNotValid, InquiryClosed, InquiryNotFound
from services.accounts.notices import routes as notices
from services.accounts.operators import routes as operators
from services.accounts.operators.model import OperatorNotFound
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
from services.accounts.sites.model import SiteNotFound
from services.accounts.staff import routes as staff
from services.accounts.staff.model import StaffSessionNotLive
from services.accounts.tickets import routes as tickets
from services.accounts.tickets.model import TicketNotValid, TicketNotYours

PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    WrongCredentials: (401, "wrong-credentials"),
    SessionNeeded: (403, "session-needed"),
    TicketNotYours: (403, "forbidden"),
    OperatorNotFound: (404, "not-found"),
    SessionNotLive: (404, "not-found"),
    SiteNotFound: (404, "not-found"),
    TicketNotValid: (404, "not-found"),
    TokenNotFound: (404, "not-found"),
    StaffSessionNotLive: (404, "not-found"),
    VersionNotFound: (404, "not-found"),
    InquiryNotFound: (404, "not-found"),
    ConfirmationNotValid: (404, "not-found"),
    DraftMissing: (404, "not-found"),
    DraftChanged: (409, "draft-changed"),
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
    for noun in (inquiries, notices, operators, policy, sessions, sites, staff, tickets):
        app.register_blueprint(noun.blueprint)
    return app
