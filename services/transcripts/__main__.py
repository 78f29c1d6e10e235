"""The processes of transcripts: ``python -m services.transcripts web|consumer|worker|beat``."""

from chassis import commands
from services.transcripts import consumer
from services.transcripts.bootstrap import SERVICE, bootstrap

PROCESSES = {
    "web": commands.web(SERVICE, check=bootstrap),
    "consumer": consumer.main,
    "worker": commands.celery_worker(SERVICE, check=bootstrap),
    "beat": commands.celery_beat(SERVICE, check=bootstrap),
}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES)
