"""What processes have used, as the kernel counts it (Linux)."""

import os
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = 1, 11, 12, 13, 14


def is_supported() -> bool:
    return (PROC / "self" / "stat").exists()


def load_average() -> float:
    """Of the last minute; what others do on this machine is in it."""
    return os.getloadavg()[0]


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of living processes, without their children."""
    return sum(_ticks(_stat(pid), _USER, _SYSTEM) for pid in pids) / _TICKS_A_SECOND


def family_cpu_seconds(parent: int) -> float:
    """Time of a process, of its living children, and of those that it has waited for."""
    ticks = _ticks(_stat(parent), _USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM)
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            stat = _stat(int(entry.name))
            if stat and int(stat[_PARENT]) == parent:
                ticks += _ticks(stat, _USER, _SYSTEM)
    return ticks / _TICKS_A_SECOND


def memory_kib(name: str) -> int:
    """``VmRSS`` or ``VmHWM`` (its peak) of this process."""
    for line in (PROC / "self" / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(name)


def _stat(pid: int) -> list[str]:
    """The fields after the command's name, which may itself hold blanks; none if it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _ticks(stat: list[str], *fields: int) -> int:
    return sum(int(stat[field]) for field in fields) if stat else 0
