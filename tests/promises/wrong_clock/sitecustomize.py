"""A process whose clock is wrong by ``WRONG_BY`` seconds: Python imports this first, as it is on its ``PYTHONPATH``.

What is wrong is every clock that our code and Celery look at: ``chassis.clock`` and ``time.time``.
"""

import os
import sys
import time
from datetime import timedelta
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

WRONG_BY = float(os.environ.get("WRONG_BY", "0"))
CLOCK = "chassis.clock"

right_time = time.time
time.time = lambda: right_time() + WRONG_BY


class Wrong(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        right_now = module.now
        module.now = lambda: right_now() + timedelta(seconds=WRONG_BY)  # type: ignore[attr-defined]


class Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != CLOCK:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = Wrong(spec.loader)
        return spec


sys.meta_path.insert(0, Finder())
