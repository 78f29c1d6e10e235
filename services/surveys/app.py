"""The surveys service over HTTP."""

from apiflask import APIFlask

from chassis import auth, mongo, web
from services.surveys import routes
from services.surveys.bootstrap import SERVICE, Context, bootstrap
from services.surveys.model import (
    AlreadyAnswered,
    AnswersInvalid,
    ConversationErased,
    CursorNotValid,
    MinorAnswered,
    SurveyNotFound,
)

PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    SurveyNotFound: (404, "not-found"),
    ConversationErased: (410, "erased"),
    AlreadyAnswered: (409, "already-answered"),
    MinorAnswered: (409, "minor"),
    AnswersInvalid: (422, "invalid"),
    CursorNotValid: (422, "invalid"),
}


def create_app(context: Context | None = None) -> APIFlask:
    """The application; every route but health and the like wants a service token."""
    context = context or bootstrap()
    readiness = {"database": lambda: mongo.ping(context.database)}
    app = web.service_app(SERVICE, title="Velaro surveys", readiness=readiness, problems=PROBLEMS)
    app.extensions[SERVICE] = context
    auth.require_token(app, context.verifier)
    app.register_blueprint(routes.blueprint)
    return app
