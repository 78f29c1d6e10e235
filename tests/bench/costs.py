"""What a run costs: CPU seconds and memory of each process of the instance, and of the driver itself."""

import time
from pathlib import Path

import psutil

from deploy.local.supervisor import Supervisor

DRIVER = "driver"
KIB = 1024


def pids_of(supervisor: Supervisor, name: str) -> list[int]:
    """The process and all below it."""
    pid = supervisor.pid_of(name)
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))] if pid else []
    except psutil.NoSuchProcess:
        return []


class Costs:
    """CPU of every process since it was last restarted; what ends meanwhile takes its share with it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self.restart()

    def restart(self) -> None:
        """Count from here."""
        self._before = {pid: _cpu_of(pid) for pids in self._pids().values() for pid in pids}
        self._driver = time.process_time()
        self._began = time.perf_counter()

    def cpu(self) -> dict[str, float]:
        """The share of the time that went by for which each process kept a core busy: 1.0 is one core."""
        went_by = time.perf_counter() - self._began
        spent = {
            name: sum(_cpu_of(pid) - self._before.get(pid, 0.0) for pid in pids) for name, pids in self._pids().items()
        }
        spent[DRIVER] = time.process_time() - self._driver
        return {name: round(max(0.0, seconds) / went_by, 4) for name, seconds in spent.items()}

    def memory(self) -> dict[str, int]:
        """KiB of each process: what it shares is divided among those that share it (PSS)."""
        return {name: sum(map(pss_kib, pids)) for name, pids in self._pids().items()}

    def _pids(self) -> dict[str, list[int]]:
        return {one["name"]: pids_of(self._supervisor, one["name"]) for one in self._supervisor.processes()}


def _cpu_of(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def pss_kib(pid: int) -> int:
    return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:")


def rss_kib(pid: int) -> int:
    return _kib(Path(f"/proc/{pid}/status"), "VmRSS:")


def private_kib(pid: int) -> int:
    """What nobody else has a share in, so that others' comings and goings do not change it."""
    return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Private_Dirty:")


def _kib(path: Path, name: str) -> int:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
