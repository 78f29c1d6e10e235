"""The chat service over HTTP."""

from apiflask import APIFlask

from chassis import auth, mongo, web
from contracts.disclosures import NothingGranted
from services.chat import routes
from services.chat.bootstrap import SERVICE, Context, bootstrap
from services.chat.model import ConversationIsErased, ConversationNotFound, UnderAge, VisitorNotFound

PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    ConversationNotFound: (404, "not-found"),
    ConversationIsErased: (404, "erased"),
    VisitorNotFound: (404, "not-found"),
    UnderAge: (409, "minor"),
    NothingGranted: (403, "forbidden"),
}


def create_app(context: Context | None = None) -> APIFlask:
    """The application; every route but health and the like wants a service token."""
    context = context or bootstrap()
    readiness = {"database": lambda: mongo.ping(context.database)}
    app = web.service_app(SERVICE, title="Velaro chat", readiness=readiness, problems=PROBLEMS)
    app.extensions[SERVICE] = context
    auth.require_token(app, context.verifier)
    app.register_blueprint(routes.blueprint)
    return app
