"""The supervisor of an instance: supervisord keeps the processes running, this module tells it which."""

import os
import resource
import shlex
import subprocess
import sys
import xmlrpc.client
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from deploy.local.instance import REPOSITORY, Instance
from deploy.local.processes import Process
from deploy.local.waiting import until

SUPERVISORD = """\
[unix_http_server]
file = {socket}
chmod = 0700

[supervisord]
logfile = {log}/supervisord.log
pidfile = {folder}/supervisord.pid
childlogdir = {log}
directory = {repository}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

PROGRAM = """
[program:{name}]
command = {command}
environment = {environment}
autostart = false
autorestart = {kept_up}
startsecs = 0
startretries = 1000
stopwaitsecs = {stop_seconds}
stopsignal = TERM
stopasgroup = false
killasgroup = true
redirect_stderr = true
stdout_logfile = {log}/{name}.log
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
"""


class Supervisor:
    """Starts, asks and ends the supervisor of one instance; knows nothing about what it supervises."""

    def __init__(self, instance: Instance) -> None:
        self._folder = instance.folder("supervisor")
        self._log = instance.folder("log")
        # A socket's path may have no more than 107 characters, and a checkout may lie deep.
        self._socket = Path("/tmp") / f"velaro-{instance.ports.base}.sock"

    def is_running(self) -> bool:
        try:
            self._ask("getState")
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def start(self, processes: list[Process]) -> None:
        """Starts the supervisor with this table, none of it running; one that runs already stays as it is."""
        if self.is_running():
            return
        configuration = self._folder / "supervisord.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._table(processes))
        _allow_many_files()
        subprocess.run([sys.executable, "-m", "supervisor.supervisord", "-c", configuration], check=True)
        until(self.is_running, seconds=20, what="the supervisor")

    def run(self, name: str) -> bool:
        """Starts one process; False when it was running already."""
        try:
            self._ask("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode != Faults.ALREADY_STARTED:
                raise
            return False
        return True

    def stop(self, names: list[str]) -> None:
        """Ends these processes, all at once, and returns when they are gone."""
        running = [name for name in names if self.pid_of(name)]
        for name in running:
            self._ask("stopProcess", name, False)
        until(lambda: not any(self.pid_of(name) for name in running), seconds=120, what=f"the end of {running}")

    def processes(self) -> list[dict[str, Any]]:
        """Name, state and process id of each process, in the words of supervisord."""
        return list(self._ask("getAllProcessInfo"))

    def pid_of(self, name: str) -> int:
        """0 while the process is not running."""
        return int(self._ask("getProcessInfo", name)["pid"])

    def shut_down(self) -> None:
        """Ends everything and then itself; it stops answering before it is gone, so its process is what counts."""
        pid = int(self._ask("getPID"))
        self._ask("shutdown")
        until(lambda: not _is_alive(pid), seconds=120, what="the end of the supervisor")

    def _ask(self, verb: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
            return getattr(server.supervisor, verb)(*arguments)

    def _table(self, processes: list[Process]) -> str:
        head = SUPERVISORD.format(socket=self._socket, folder=self._folder, log=self._log, repository=REPOSITORY)
        return head + "".join(self._program(process) for process in processes)

    def _program(self, process: Process) -> str:
        environment = ",".join(f"{name}={_quoted(value)}" for name, value in process.environment.items())
        return PROGRAM.format(
            name=process.name,
            command=shlex.join(process.command).replace("%", "%%"),
            environment=environment,
            stop_seconds=process.stop_seconds,
            kept_up=str(process.kept_up).lower(),
            log=self._log,
        )


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _allow_many_files() -> None:
    """A gateway holds one file descriptor per socket; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _quoted(value: str) -> str:
    """supervisord wants quotes around anything unusual, knows no escape for them, and expands %."""
    if "'" in value:
        raise ValueError("an environment value for supervisord cannot hold a single quote")
    return "'" + value.replace("%", "%%") + "'"
