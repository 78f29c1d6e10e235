"""Every act of operators and staff is noted in the audit before it is done, and what cannot be noted is not done.

Here, because here they all come by, those that are added later too: whatever needs a session or an API token and is no
mere reading is an act, called as its endpoint is. An act that is then refused is noted as that. Nothing of what a
request says gets in but the ids in its path.

Of one act nothing shows before it is done: that who reads a conversation, here or on a socket, has come to words that
are sealed. ``HistoryReader`` notes that.
"""

import msgspec
import structlog
from flask import Response, g, request

from chassis.auth import Caller
from chassis.http import RemoteProblem
from chassis.ids import new_id
from chassis.problems import Unavailable
from services.gateway.bootstrap import context

log = structlog.get_logger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
NOT_KNOWN_YET = 202

OPENINGS = frozenset(
    {
        "transcripts.show_transcript",
        "transcripts.export_transcript",
        "surveys.list_responses",
        "surveys.export_responses",
        "account_details.show_billing",
        "account_details.show_history",
        "staff_disclosures.download",
        "staff_identity.show_document",
    }
)
"""Readings that are acts as well: they open the record, or what is shown to few."""

ELSEWHERE = {
    "conversations.post_message": "who said what and when is the transcript itself",
    "sessions.issue_ticket": "it opens nothing that the session does not",
    "staff_disclosures.request_disclosure": "accounts notes it, with its ground and scope",
    "staff_disclosures.decide": "accounts notes it, with the decision",
    "staff_disclosures.review": "accounts notes it, with the outcome",
}
"""Acts that are not noted here, and why they need not be."""


class Begun(msgspec.Struct, frozen=True):
    """An act that is noted, of the request that is being answered."""

    act_id: str
    caller: Caller
    act: str
    subject: dict[str, str]


def begin(caller: Caller) -> None:
    """Note what the caller is about to do. Raises ``Unavailable`` if that could not be noted: then it is not done."""
    endpoint = request.endpoint or ""
    is_act = request.method not in SAFE_METHODS or endpoint in OPENINGS
    if not is_act or endpoint in ELSEWHERE or "act" in g:
        return
    subject = {name: str(value) for name, value in (request.view_args or {}).items()}
    act = Begun(act_id=new_id(), caller=caller, act=endpoint, subject=subject)
    context().audit.note(caller, act_id=act.act_id, act=act.act, subject=act.subject)
    g.act = act


def end(response: Response) -> Response:
    """Note that the act came to nothing, or that nobody knows yet what it came to."""
    act: Begun | None = g.pop("act", None)
    if act is not None and (response.status_code >= 400 or response.status_code == NOT_KNOWN_YET):
        outcome = str(response.status_code)
        try:
            context().audit.note(act.caller, act_id=act.act_id, act=act.act, subject=act.subject, outcome=outcome)
        except (Unavailable, RemoteProblem):
            # The act itself is noted. That it was refused only this line tells then.
            log.exception("outcome of an act not noted", act_id=act.act_id, act=act.act, outcome=outcome)
    return response
