"""The frame of the measurements that need the servers alone: those that are kept for the tests, or their own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deploy.local.stack import Stack
from tests.conftest import KEPT, test_instance

Figures = dict[str, Any]


def measure(measured: Callable[[Stack, int], Figures], counts: Sequence[int]) -> None:
    """Print what is measured at each count, those of the command line instead if there are any."""
    stack = Stack(test_instance(KEPT), say=lambda line: None)
    started_here = not stack.supervisor.is_running()
    if started_here:
        stack.up_servers()
    try:
        for count in [int(each) for each in sys.argv[1:]] or counts:
            print(json.dumps(measured(stack, count)), flush=True)
    finally:
        if started_here:
            stack.down()


def run(module: Sequence[str], environment: Mapping[str, str]) -> tuple[str, Figures]:
    """What a Python program says, and what it costs: time, CPU, and the most memory it ever had."""
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", *module], env=environment, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        told = program.stdout.read()
        _, status, usage = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
    assert program.returncode == 0
    return told, {
        "seconds": round(time.monotonic() - begun, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_memory_mib": round(usage.ru_maxrss / 1024, 1),
    }
