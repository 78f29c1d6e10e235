"""The processes of transcripts: ``python -m services.transcripts web|consumer|worker|beat``."""

from functools import partial

from chassis import commands, settings
from services.transcripts import consumer
from services.transcripts.bootstrap import SERVICE, bootstrap
from services.transcripts.settings import Settings

PROCESSES = {
    "web": commands.web(SERVICE, check=bootstrap),
    "consumer": consumer.main,
    "worker": commands.celery_worker(SERVICE, check=bootstrap),
    "beat": commands.celery_beat(SERVICE, check=partial(settings.read, Settings)),
}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES)
