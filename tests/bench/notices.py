"""``python -m tests.bench.notices [COUNT …]``: how long it takes to tell so many customers of a policy, in what memory.

One sender, as one worker of Celery would be, with the real database of ``tests.servers`` and a mail server that keeps
every mail as a file. Without counts, 1,000 and 10,000: memory must not grow with the number.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pymongo import MongoClient

from chassis.auth import new_key, public_keys
from chassis.testing import eventually
from deploy.local.stack import Stack
from deploy.local.waiting import accepts_connections
from services.accounts.bootstrap import Context, bootstrap
from services.accounts.settings import Settings
from tests import ports
from tests.accounts.builders import a_posted_version
from tests.conftest import KEPT, test_instance
from tests.settings import environment_of

COUNTS = (1_000, 10_000)
SMTP_PORT = ports.SERVERS + 90
SENDER = "tests.accounts.notices.dying_sender"
Figures = dict[str, Any]


def main() -> None:
    stack = Stack(test_instance(KEPT), say=lambda line: None)
    started_here = not stack.supervisor.is_running()
    if started_here:
        stack.up_servers()
    try:
        for count in [int(each) for each in sys.argv[1:]] or COUNTS:
            print(json.dumps(measured(stack, count)), flush=True)
    finally:
        if started_here:
            stack.down()


def measured(stack: Stack, count: int) -> Figures:
    """Time, memory and mails of one run."""
    name = f"bench_notices_{os.getpid()}_{count}"
    settings = _settings(stack.instance.mongo_url("admin", name))
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


def _settings(mongo_url: str) -> Settings:
    key = new_key("accounts")
    return Settings(
        amqp_url=SecretStr("amqp://nowhere.invalid"),
        tasks_url=SecretStr("amqp://nowhere.invalid"),
        mongo_url=SecretStr(mongo_url),
        service_key=SecretStr(key),
        service_keys=public_keys([key]),
        smtp_url=SecretStr(f"smtp://127.0.0.1:{SMTP_PORT}"),
        mail_sender="Velaro <no-reply@velaro.example>",
        identity_key=SecretStr(base64.urlsafe_b64encode(bytes(32)).decode()),
        public_url="https://chat.velaro.example",
        chat_url="http://nowhere.invalid",
        transcripts_url="http://nowhere.invalid",
        log_level="WARNING",
    )


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
    begun = time.monotonic()
    sender = subprocess.Popen([sys.executable, "-m", SENDER], env=environment_of(settings), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(sender.pid, 0)
    sender.returncode = os.waitstatus_to_exitcode(status)
    assert sender.returncode == 0
    return {
        "seconds": round(time.monotonic() - begun, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_mib": round(usage.ru_maxrss / 1024, 1),
    }


if __name__ == "__main__":
    main()
