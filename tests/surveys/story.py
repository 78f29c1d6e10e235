"""What a handler that may be killed has to do: one response waits for its opening, another is attached and erased."""

from collections.abc import Callable
from datetime import datetime

from chassis.testing import a_delivery
from contracts.surveys import EraseAnswers
from services.surveys import actions
from services.surveys.consumer import handle_deliveries
from services.surveys.model import ConversationErased, Given
from services.surveys.store import SurveyStore
from tests.erasing import nothing_rests
from tests.surveys.builders import NOON, a_response, an_opening_event

STEPS_OF_SETTING_UP = frozenset(
    {"hello", "ping", "saslStart", "saslContinue", "createIndexes", "create", "endSessions"}
)
KEPT, ERASED = "conversation-1", "conversation-2"
ERASING = EraseAnswers(customer_id="customer-1", erasure_id="erasure-1", conversation_id=ERASED, look=1)
OPINION = Given(question_id="stars", label="And this chat?", kind="rating", value="5", topic="overall")

Clock = Callable[[], datetime]


def clock() -> datetime:
    """It is always noon."""
    return NOON


def play(store: SurveyStore) -> None:
    """All of it; what was done before is done once."""
    for number, conversation in enumerate((KEPT, ERASED), start=1):
        response = a_response(
            response_id=f"response-{number}", conversation_id=conversation, occasion_id=conversation, answers=(OPINION,)
        )
        try:
            store.add(response, announcing=actions._recorded, now=NOON)
        except ConversationErased:
            continue
    opened = [an_opening_event(conversation_id=conversation) for conversation in (KEPT, ERASED)]
    for payload in (*opened, ERASING):
        handle_deliveries([a_delivery(payload)], store=store, discard=nothing_rests, clock=clock)
