import threading

import pytest

from chassis import clock
from chassis.auth import new_key
from chassis.bus import Bus, WorkQueue
from chassis.testing import eventually, hearing
from contracts.chat import Capture, ConversationOpened
from contracts.surveys import ResponseRecorded
from services.surveys import actions, consumer
from services.surveys.bootstrap import bootstrap
from services.surveys.settings import Settings
from tests.surveys.builders import QUESTIONS, SITE, a_submission


@pytest.fixture
def on_the_bus(database_url, callers, amqp_url):
    settings = Settings(
        amqp_url=amqp_url, mongo_url=database_url("surveys"), service_key=new_key("surveys"), service_keys=callers.jwks
    )
    made = bootstrap(settings)
    yield made
    made.database.client.close()


@pytest.fixture
def running():
    """Runs things in threads until the test ends."""
    stop = threading.Event()
    threads = []

    def run(target, *args):
        threads.append(threading.Thread(target=target, args=(*args, stop)))
        threads[-1].start()

    yield run
    stop.set()
    for thread in threads:
        thread.join(30)


def test_answers_given_before_the_conversation_opens_are_announced_once_it_does(on_the_bus, running, amqp_url):
    running(consumer.run, on_the_bus)
    present = clock.now()
    actions.publish_survey(SITE, QUESTIONS, store=on_the_bus.store, now=present)
    response = actions.record_response(a_submission(), store=on_the_bus.store, now=present)

    opened = ConversationOpened(
        customer_id="customer-1",
        conversation_id="conversation-1",
        caused_by="command-1",
        site_id="site-1",
        visitor_id="visitor-1",
        visitor_name="Ada",
        acknowledged_policy_version="1",
        capture=Capture(),
        opened_at=present,
    )
    bus = Bus(amqp_url, service="chat")
    bus.start()

    with hearing(amqp_url, WorkQueue("tests.recorded", hears=(ResponseRecorded,))) as heard:

        def is_heard() -> bool:
            # Again and again, as after crashes of its publisher: and the first may come before there is a queue for it.
            bus.publish(opened).result()
            return len(heard) > 0

        eventually(is_heard)
        bus.publish(opened).result()
        eventually(lambda: on_the_bus.database["outbox"].count_documents({}) == 0)
    bus.close()

    [event] = heard
    assert event.response_id == response.response_id
    assert [answer.value for answer in event.answers] == [answer.value for answer in response.answers]
    assert event.placement == "pre-chat"
