"""The transcripts service over HTTP."""

from apiflask import APIFlask

from chassis import auth, mongo, web
from contracts.disclosures import NothingGranted
from services.transcripts import routes
from services.transcripts.bootstrap import SERVICE, Context, bootstrap
from services.transcripts.model import CursorNotValid, TranscriptDamaged, TranscriptNotFound

PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    TranscriptNotFound: (404, "not-found"),
    CursorNotValid: (422, "invalid"),
    NothingGranted: (403, "forbidden"),
    TranscriptDamaged: (500, "transcript-damaged"),
}


def create_app(context: Context | None = None) -> APIFlask:
    """The application; every route but health and the like wants a service token."""
    context = context or bootstrap()
    readiness = {"database": lambda: mongo.ping(context.database)}
    app = web.service_app(SERVICE, title="Velaro transcripts", readiness=readiness, problems=PROBLEMS)
    app.extensions[SERVICE] = context
    auth.require_token(app, context.verifier)
    app.register_blueprint(routes.blueprint)
    app.register_blueprint(routes.disclosed)
    return app
