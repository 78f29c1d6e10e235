"""The processes of surveys: ``python -m services.surveys web|consumer``."""

from chassis import commands
from services.surveys import consumer
from services.surveys.bootstrap import SERVICE, bootstrap

PROCESSES = {"web": commands.web(SERVICE, check=bootstrap), "consumer": consumer.main}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES)
