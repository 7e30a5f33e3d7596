"""(d) A reconciliation of many open payouts, against a rail that takes its time.

``python -m bench.reconciling`` is the process that is measured: it asks about everything
open in ``PAYOPS_DATABASE_URL``, prints one JSON document, and ends.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from bench import machine, seeding, shots
from bench.figures import Target
from bench.run import Run
from bench.serving import SECRETS
from payops import bootstrap
from payops.infra import logging
from payops.infra.settings import Settings
from payops.withdrawals.ports import Answer, Outcome, Payout, Question, Report, Taken

DATABASE: Final = "reconciling"
_RAIL_SECONDS: Final = 0.005
_CONCURRENCY: Final = 32
_SECONDS_MAX: Final = 120
_KIB_IN_MIB: Final = 1024


class SlowRail:
    """Answers every question with ``paid`` after the time a near data centre takes."""

    name = "lipana"
    deduplicates = True

    async def send(self, payout: Payout) -> Answer:
        return Taken(payout.txid)

    async def ask(self, question: Question) -> Report:
        await asyncio.sleep(_RAIL_SECONDS)
        return Report(Outcome.PAID, txid=question.txid, reference=question.reference)


def measure_reconciling(run: Run) -> None:
    url, count = run.cluster.create(DATABASE), run.scale.open_payouts
    seeding.open_payouts(run.cluster, DATABASE, count, shots.PHONE)
    run.cluster.settle(DATABASE)
    run.tell(f"(d) {count} open payouts")
    before = run.cluster.cpu_seconds()
    found = _in_a_process(url, run.folder / "reconciling.log")
    database_ms = 1000 * (run.cluster.cpu_seconds() - before) / count
    settled = "SELECT count(*) FROM withdrawals WHERE state = 'completed'"
    run.require_whole(DATABASE, run.cluster.value(DATABASE, settled), found["completed"])
    seconds = found["seconds"]
    run.add("d", f"{count:,} open payouts reconciled", seconds, "s", Target("≤", 60))
    run.add("d", "payouts asked about", found["checked"] / seconds, "/s")
    run.add("d", "memory at the start", found["begins_kib"] / _KIB_IN_MIB, "MiB")
    growth = (found["peak_kib"] - found["begins_kib"]) / _KIB_IN_MIB
    run.add("d", "its growth at the peak", growth, "MiB", Target("≤", 32))
    run.add("d", "  CPU per payout, process", 1000 * found["cpu_seconds"] / count, "ms")
    run.add("d", "  CPU per payout, database", database_ms, "ms")


def _in_a_process(url: str, log: Path) -> dict[str, Any]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PAYOPS")}
    with log.open("wb") as errors:
        finished = subprocess.run(
            [sys.executable, "-m", "bench.reconciling"],
            env={
                **inherited,
                **SECRETS,
                "PAYOPS_ENV": "test",
                "PAYOPS_DATABASE_URL": url,
                "PAYOPS_RECONCILIATION__MPESA_CONCURRENCY": str(_CONCURRENCY),
            },
            check=True,
            stdout=subprocess.PIPE,
            stderr=errors,
            timeout=_SECONDS_MAX,
        )
    document: dict[str, Any] = json.loads(finished.stdout)
    return document


async def _reconcile() -> dict[str, float]:
    settings = Settings()
    logging.configure(settings.log, stream=sys.stderr)
    services = bootstrap.build(settings, rail=SlowRail())
    async with services.db.transaction(read_only=True) as tx:
        await tx.fetchval("SELECT 1")
    began_kib, began, cpu_began = machine.memory_kib("VmRSS"), time.monotonic(), _cpu()
    try:
        tally = await services.reconciliation.everything(min_age_seconds=60)
    finally:
        await services.close()
    return {
        **tally.as_json(),
        "seconds": time.monotonic() - began,
        "cpu_seconds": _cpu() - cpu_began,
        "begins_kib": began_kib,
        "peak_kib": machine.memory_kib("VmHWM"),
    }


def _cpu() -> float:
    return time.process_time()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_reconcile())))
