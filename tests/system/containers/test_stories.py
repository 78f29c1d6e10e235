"""A visitor's whole conversation, two customers that never meet, a survey, an archive: again, in containers."""

from tests.promises.test_own_data import (  # noqa: F401
    calls,
    ids,
    intruder,
    open_one,
    sealed,
    strangers,
    test_a_foreign_operator_gets_404,
    test_a_foreign_socket_can_neither_read_nor_write,
    test_a_foreign_visitor_gets_404,
    test_lists_hold_own_conversations_only,
    test_nothing_was_changed_by_the_attempts,
    token_id,
)
from tests.system.test_conversation import (  # noqa: F401 - each is a test here as well, on this folder's customer
    test_a_conversation_by_plain_http_ends_in_a_sealed_and_then_archived_transcript,
    test_a_long_poll_answers_as_soon_as_something_is_said,
    test_bad_answers_are_refused_question_by_question,
    test_both_sides_see_every_message_in_order_by_socket,
)
