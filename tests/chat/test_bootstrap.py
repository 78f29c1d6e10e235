"""Chat put together, and what it refuses to be put together from."""

import os
import subprocess
import sys

import pytest

from chassis.auth import new_key
from services.chat.bootstrap import Context, PartitionsChanged, check_partitions
from services.chat.settings import Settings


def test_another_number_of_partitions_is_refused(context: Context):
    with pytest.raises(PartitionsChanged, match="VELARO_PARTITIONS is 16, but this installation has 8"):
        check_partitions(context.conversations, 16)


def test_the_relay_says_in_a_sentence_why_it_does_not_start(context: Context, settings: Settings):
    environment = os.environ | {
        "VELARO_AMQP_URL": settings.amqp_url.get_secret_value(),
        "VELARO_MONGO_URL": settings.mongo_url.get_secret_value(),
        "VELARO_SERVICE_KEY": new_key("chat"),
        "VELARO_SERVICE_KEYS": settings.service_keys,
        "VELARO_PARTITIONS": "16",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "services.chat", "relay"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 78
    assert ended.stderr.startswith("VELARO_PARTITIONS is 16")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("partitions", [0, 101])
def test_a_number_of_partitions_that_cannot_be_is_refused(settings: Settings, partitions: int):
    with pytest.raises(ValueError, match="partitions"):
        Settings(**settings.model_dump() | {"partitions": partitions})
