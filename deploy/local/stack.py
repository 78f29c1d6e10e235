"""Starting and ending an instance, in the order that its parts need each other."""

from collections.abc import Callable
from functools import partial

from deploy import database_users
from deploy.local import broker
from deploy.local.instance import Instance
from deploy.local.processes import Process, all_of
from deploy.local.supervisor import Supervisor
from deploy.local.waiting import accepts_connections, answers_ready, until
from deploy.secrets import SERVICES


class Stack:
    """One instance and its supervisor. Everything here may be called again, or after a kill."""

    def __init__(self, instance: Instance, *, say: Callable[[str], None] = print) -> None:
        self.instance = instance
        self.supervisor = Supervisor(instance)
        self._say = say

    def up(self) -> None:
        """Servers, then services; returns when every service says it is ready."""
        self.up_servers()
        self.up_services()

    def up_servers(self) -> None:
        """MongoDB and RabbitMQ with their users, without any service of ours."""
        broker.write_files(self.instance)
        self.supervisor.start(all_of(self.instance))
        self._start("servers")
        database_port, broker_port = self.instance.ports.mongo, self.instance.ports.amqp
        until(lambda: accepts_connections(database_port), seconds=60, what="MongoDB")
        host = f"127.0.0.1:{database_port}"
        database_users.prepare(self.instance.secrets, [host], here=host)
        self._say("MongoDB is up")
        until(lambda: accepts_connections(broker_port), seconds=120, what="RabbitMQ")
        self._say("RabbitMQ is up")

    def up_services(self) -> None:
        self._start("workers")
        self._start("web")
        for service in SERVICES:
            port = self.instance.ports.of(service)
            until(partial(answers_ready, port), seconds=180, what=f"{service} to be ready")
            self._say(f"{service} is ready")

    def down(self) -> None:
        """Ends every process of this instance, and only those; services first, so that none loses its servers."""
        if not self.supervisor.is_running():
            return
        for stage in ("web", "workers"):
            self.supervisor.stop([process.name for process in self._of(stage)])
        self.supervisor.shut_down()

    def is_up(self) -> bool:
        return self.supervisor.is_running() and all(
            answers_ready(self.instance.ports.of(service)) for service in SERVICES
        )

    def _of(self, stage: str) -> list[Process]:
        return [process for process in all_of(self.instance) if process.stage == stage]

    def _start(self, stage: str) -> None:
        for process in self._of(stage):
            self.supervisor.run(process.name)
