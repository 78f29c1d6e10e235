"""A disk that is small and can be filled: a ``tmpfs`` in the place of a folder. Only root can put it there."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MIB = 1024 * 1024
BALLAST = "ballast"


class Disk:
    """What is mounted at a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fill(self) -> None:
        """Leave not a byte."""
        with (self._folder / BALLAST).open("ab", buffering=0) as ballast:
            for size in (MIB, 4096):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError:
                    continue

    @property
    def is_full(self) -> bool:
        return shutil.disk_usage(self._folder).free == 0

    def free(self) -> None:
        """Make room again."""
        (self._folder / BALLAST).unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, *, room: int) -> Iterator[Disk]:
    """Inside, ``folder`` with all that is in it is on a disk with ``room`` more bytes; nobody may be using it."""
    if os.geteuid():
        pytest.skip("only root can mount a disk")
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f"{folder.name}.aside")
    size = sum(file.stat().st_blocks * 512 for file in folder.rglob("*")) + room
    shutil.copytree(folder, aside)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "velaro-faults", folder], check=True)
    try:
        _copy(aside, folder)
        disk = Disk(folder)
        yield disk
        disk.free()
    finally:
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)
        subprocess.run(["umount", folder], check=True)
        shutil.rmtree(folder)
        aside.rename(folder)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)
