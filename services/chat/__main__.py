"""The processes of chat: ``python -m services.chat web|relay|consumer``, and ``repartition NUMBER``."""

from chassis import commands
from services.chat import consumer, relay, repartition
from services.chat.bootstrap import SERVICE, bootstrap

PROCESSES = {"web": commands.web(SERVICE, check=bootstrap), "relay": relay.main, "consumer": consumer.main}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES, {"repartition": repartition.main})
