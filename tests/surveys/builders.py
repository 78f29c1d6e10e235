"""Surveys, questions and what visitors send in; and how they do it all at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

from hypothesis import strategies as st

from chassis.mongo import StoreUnavailable
from contracts.chat import Capture, ConversationOpened
from services.surveys.actions import Submission
from services.surveys.model import Given, Question, Response, Which

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)

QUESTIONS = (
    Question(question_id="email", kind="email", label="Your e-mail", is_required=True),
    Question(question_id="topic", kind="choice", label="About", choices=("Sales", "Support")),
    Question(question_id="seats", kind="number", label="How many seats?", minimum=1, maximum=500),
    Question(question_id="note", kind="text", label="Anything else?", max_length=20),
)


SITE = Which(customer_id="customer-1", site_id="site-1", placement="pre-chat")


def a_question(**fields: Any) -> Question:
    return Question(**{"question_id": "note", "kind": "text", "label": "Anything else?"} | fields)


def a_submission(**fields: Any) -> Submission:
    given = {
        "customer_id": "customer-1",
        "site_id": "site-1",
        "conversation_id": "conversation-1",
        "occasion_id": "conversation-1",
        "placement": "pre-chat",
        "answers": {"email": "ada@example.com", "topic": "Sales"},
    }
    if "conversation_id" in fields:
        given["occasion_id"] = fields["conversation_id"]
    return Submission(**given | fields)


def a_response(**fields: Any) -> Response:
    given: dict[str, Any] = {
        "response_id": "response-1",
        "customer_id": "customer-1",
        "site_id": "site-1",
        "conversation_id": "conversation-1",
        "occasion_id": "conversation-1",
        "placement": "pre-chat",
        "survey_id": "survey-1",
        "survey_version": 1,
        "answers": (Given(question_id="email", label="Your e-mail", kind="email", value="ada@example.com"),),
        "answered_at": NOON,
        "expires_at": datetime(2026, 3, 1, 13, 0, tzinfo=UTC),
    }
    return Response(**given | fields)


def an_opening_event(**fields: Any) -> ConversationOpened:
    given: dict[str, Any] = {
        "customer_id": "customer-1",
        "conversation_id": "conversation-1",
        "caused_by": "command-1",
        "site_id": "site-1",
        "visitor_id": "visitor-1",
        "visitor_name": "Ada",
        "acknowledged_policy_version": "1",
        "capture": Capture(),
        "opened_at": NOON,
    }
    return ConversationOpened(**given | fields)


def at_once(*acts: Callable[[], object]) -> None:
    """Do all of these in threads of their own, and again where the database did not answer, as real callers would."""
    ready = Barrier(len(acts))

    def together(act: Callable[[], object]) -> None:
        ready.wait()
        while True:
            try:
                act()
            except StoreUnavailable:
                continue
            return

    with ThreadPoolExecutor(len(acts)) as threads:
        for done in [threads.submit(together, act) for act in acts]:
            done.result()
