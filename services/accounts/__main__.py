"""The processes of accounts: ``python -m services.accounts web|consumer|inbox|worker|beat|seed``."""

from chassis import commands
from services.accounts import consumer, inbox, seed, tasks
from services.accounts.bootstrap import SERVICE, bootstrap


def check_worker() -> None:
    bootstrap()
    tasks.check()


PROCESSES = {
    "web": commands.web(SERVICE, check=bootstrap),
    "consumer": consumer.main,
    "inbox": inbox.main,
    "worker": commands.celery_worker(SERVICE, check=check_worker),
    "beat": commands.celery_beat(SERVICE, check=tasks.check),
    "seed": seed.main,
}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES)
