"""The processes of accounts: ``python -m services.accounts web|consumer|inbox|worker|beat|seed``.

And the tools ``verify-audit``, ``sign-audit`` and ``open-bundle``, which tell more with ``--help``.
"""

from chassis import commands
from services.accounts import consumer, inbox, seed, tasks, tools
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
TOOLS = {"verify-audit": tools.verify_audit, "sign-audit": tools.sign_audit, "open-bundle": tools.open_bundle}

if __name__ == "__main__":
    commands.run(SERVICE, PROCESSES, tools=TOOLS)
