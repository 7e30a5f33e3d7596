"""The yardstick: PostgreSQL's own load generator running the bare statements."""

import re
import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.database import Cluster
from bench.firing import WentWrong
from payops.ledger.domain import AVAILABLE, HELD

SCRIPT: Final = Path(__file__).with_name("bare.sql")
_UUIDV7_SINCE: Final = 18


@dataclass(frozen=True, slots=True)
class Bare:
    """One run; ``cpu_seconds`` is pgbench's own."""

    transactions: int
    rate: float
    latency_ms: float
    database_cpu_seconds: float
    cpu_seconds: float


def program(cluster: Cluster) -> Path:
    """Raises ``WentWrong`` when there is none, or the server is too old for the script."""
    if int(cluster.version().split(".")[0]) < _UUIDV7_SINCE:
        raise WentWrong(f"the bare statements need PostgreSQL {_UUIDV7_SINCE} for uuidv7()")
    if cluster.pgbench.exists():
        return cluster.pgbench
    found = shutil.which("pgbench")
    if found is None:
        raise WentWrong("there is no pgbench beside the server's binaries nor on the PATH")
    return Path(found)


def measure(
    cluster: Cluster, name: str, *, clients: int, seconds: int, users: int, threads: int = 2
) -> Bare:
    host, port, user = cluster.where()
    own_before, database_before = _children_cpu_seconds(), cluster.cpu_seconds()
    finished = subprocess.run(
        [
            program(cluster),
            *("-h", host, "-p", port, "-U", user),
            *("-n", "-M", "prepared", "-f", SCRIPT, "-D", f"users={users}"),
            # A colon inside quotes would be taken for a variable.
            *("-D", f"available={AVAILABLE}", "-D", f"held={HELD}"),
            *("-c", str(clients), "-j", str(threads), "-T", str(seconds)),
            name,
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
    )
    if finished.returncode:
        raise WentWrong(f"pgbench: {finished.stderr[-500:]}")
    return Bare(
        transactions=int(_figure(finished.stdout, r"transactions actually processed: (\d+)")),
        rate=_figure(finished.stdout, r"tps = ([0-9.]+) \(without initial"),
        latency_ms=_figure(finished.stdout, r"latency average = ([0-9.]+) ms"),
        database_cpu_seconds=cluster.cpu_seconds() - database_before,
        cpu_seconds=_children_cpu_seconds() - own_before,
    )


def _figure(said: str, pattern: str) -> float:
    found = re.search(pattern, said)
    if found is None:
        raise WentWrong(f"pgbench said something else: {said[-500:]}")
    return float(found[1])


def _children_cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
