"""``python -m tests.bench.notices [COUNT …]``: how long it takes to tell so many customers of a policy, in what memory.

One sender, as one worker of Celery would be, with the real database of ``tests.servers`` and a mail server that keeps
every mail as a file. Without counts, 1,000 and 10,000: memory must not grow with the number.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from chassis.testing import eventually
from deploy.local.stack import Stack
from deploy.local.waiting import accepts_connections
from services.accounts.bootstrap import Context, bootstrap
from services.accounts.settings import Settings
from tests import ports
from tests.accounts.builders import a_posted_version, some_settings
from tests.bench.apart import Figures, measure, run
from tests.settings import environment_of

COUNTS = (1_000, 10_000)
SMTP_PORT = ports.SERVERS + 90
SENDER = "tests.accounts.notices.dying_sender"


def measured(stack: Stack, count: int) -> Figures:
    """Time, memory and mails of one run."""
    name = f"bench_notices_{os.getpid()}_{count}"
    settings = some_settings(stack.instance.mongo_url("admin", name), smtp_url=f"smtp://127.0.0.1:{SMTP_PORT}")
    client: MongoClient[Any]
    with (
        tempfile.TemporaryDirectory() as folder,
        _mail_server(Path(folder)),
        MongoClient(stack.instance.mongo_url("admin", "admin")) as client,
    ):
        here = bootstrap(settings)
        try:
            _fill(here, count)
            figures = _send(settings)
            progress = here.notices.progress(2, "notice")
            kept = len(list((Path(folder) / "kept" / "new").iterdir()))
        finally:
            here.database.client.close()
            client.drop_database(name)
    assert progress is not None
    assert (progress.sent, progress.repeated, kept) == (count, 0, count)
    return {"customers": count, "mails": kept, **figures, "mails_per_second": round(count / figures["seconds"])}


@contextmanager
def _mail_server(folder: Path) -> Iterator[None]:
    keeps = ["-c", "aiosmtpd.handlers.Mailbox", str(folder / "kept")]
    command = [sys.executable, "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{SMTP_PORT}", *keeps]
    server = subprocess.Popen(command)
    try:
        eventually(lambda: accepts_connections(SMTP_PORT), timeout=20)
        yield
    finally:
        server.terminate()
        server.wait(20)


def _fill(here: Context, count: int) -> None:
    when = datetime.now(UTC)
    names = [f"customer-{number:06}" for number in range(count)]
    here.database["customers"].insert_many([{"_id": name, "name": name, "created_at": when} for name in names])
    owner = {"name": "Owner", "role": "owner", "password_hash": "", "is_active": True, "created_at": when}
    here.database["operators"].insert_many(
        [{"_id": f"owner-{name}", "customer_id": name, "email": f"owner@{name}.example", **owner} for name in names]
    )
    a_posted_version(here.database["policy_versions"], 2, posted_at=when)


def _send(settings: Settings) -> Figures:
    _, figures = run([SENDER], environment_of(settings))
    return figures


if __name__ == "__main__":
    measure(measured, COUNTS)
