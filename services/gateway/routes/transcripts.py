"""The record of closed conversations, for operators."""

from typing import Any

import msgspec
from apiflask import APIBlueprint
from flask import Response, render_template

from services.gateway.bootstrap import context
from services.gateway.routes import access
from services.gateway.schemas.transcripts import TranscriptOut, TranscriptsOut, TranscriptsQuery

blueprint = APIBlueprint("transcripts", __name__, url_prefix="/api/v1/transcripts", template_folder="../templates")

FOREIGN = "No such transcript, or not one of yours."


@blueprint.get("")
@blueprint.input(TranscriptsQuery, location="query")
@blueprint.output(TranscriptsOut)
@blueprint.doc(security=access.OPERATOR)
def list_transcripts(query_data: TranscriptsQuery) -> Any:
    """Sealed transcripts; ``q`` searches their words."""
    caller = access.operator("transcripts")
    return context().transcripts.transcripts(caller, query_data.model_dump(mode="json", by_alias=True))


@blueprint.get("/<opaque:transcript_id>")
@blueprint.output(TranscriptOut)
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
def show_transcript(transcript_id: str) -> Any:
    """One transcript, with everything that was captured."""
    return _transcript(transcript_id)


@blueprint.get("/<opaque:transcript_id>.<any(json,txt,html,pdf):form>")
@blueprint.doc(security=access.OPERATOR, responses={404: FOREIGN})
@blueprint.output(TranscriptOut)
def export_transcript(transcript_id: str, form: str) -> Any:
    """One transcript as a file: ``json``, ``txt`` or ``html``."""
    exported = _EXPORTS.get(form)
    if exported is None:
        raise access.not_found()
    response = exported(TranscriptOut.model_validate(_transcript(transcript_id)))
    response.headers["Content-Disposition"] = f'attachment; filename="transcript-{transcript_id}.{form}"'
    return response


def _transcript(transcript_id: str) -> Any:
    return context().transcripts.transcript(access.operator("transcripts"), transcript_id)


def _as_json(transcript: TranscriptOut) -> Response:
    return Response(msgspec.json.encode(transcript.model_dump(mode="json")), mimetype="application/json")


def _as_text(transcript: TranscriptOut) -> Response:
    text = render_template("transcript.txt", transcript=transcript)
    return Response(text, content_type="text/plain; charset=utf-8")


def _as_html(transcript: TranscriptOut) -> Response:
    html = render_template("transcript.html", transcript=transcript)
    return Response(html, content_type="text/html; charset=utf-8")


_EXPORTS = {"json": _as_json, "txt": _as_text, "html": _as_html}
