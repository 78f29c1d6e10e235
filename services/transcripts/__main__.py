"""The processes of transcripts: ``python -m services.transcripts web|consumer|worker|beat``."""

from chassis import commands
from services.transcripts import consumer, tasks
from services.transcripts.bootstrap import SERVICE, bootstrap


def check_worker() -> None:
    bootstrap()
    tasks.check()


PROCESSES = {
    "web": commands.web(SERVICE, check=bootstrap),
    "consumer": consumer.main,
    "worker": commands.celery_worker(SERVICE, check=check_worker),
    "beat": commands.celery_beat(SERVICE, check=tasks.check),
}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES)
