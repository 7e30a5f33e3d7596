"""``payops demo``: what the service does, told while it happens, and the books checked after.

It speaks to a running ``payops dev`` over HTTP, as any client would, and starts one if there
is none. An act is a module with ``play(stage) -> checks``; ``ACTS`` lists them in order.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

import httpx
import typer
from rich.console import Console

from payops.access.service import issue_development_token
from payops.cli import demo_deposits, demo_withdrawals
from payops.cli.running import (
    CHECK_FAILED,
    Json,
    console,
    errors,
    explained,
    load_settings,
    print_json,
)
from payops.cli.stage import Check, Stage
from payops.dev import secrets
from payops.dev.whereabouts import Whereabouts, whereabouts

ACTS: Final = (demo_withdrawals.play, demo_deposits.play)

_STARTED_SECONDS_MAX: Final = 180  # the first start makes a database
_STOPPED_SECONDS_MAX: Final = 25
_POLL_SECONDS: Final = 0.2
_TOKEN_LIFE: Final = timedelta(hours=1)


def demo(as_json: Json = False) -> None:
    """Walk money out and in through the sandbox, narrated; 0 only if the books are right."""
    told = errors if as_json else console()
    with explained(), _running() as where:
        checks = _played(where, told)
    is_right = all(check.holds for check in checks)
    if as_json:
        shown = [{"check": c.what, "ok": c.holds, "detail": c.detail} for c in checks]
        print_json({"ok": is_right, "checks": shown})
    told.print("\nThe books are right." if is_right else "\nTHE BOOKS ARE NOT RIGHT.")
    raise typer.Exit(0 if is_right else CHECK_FAILED)


def _played(where: Whereabouts, told: Console) -> list[Check]:
    settings = load_settings()
    key = (secrets.FOLDER / "demo-key").read_text().strip()
    with (
        httpx.Client(base_url=where.url, timeout=30) as service,
        httpx.Client(base_url=where.sandbox_url, timeout=30) as sandbox,
    ):
        stage = Stage(
            service=service,
            sandbox=sandbox,
            key=key,
            token_for=lambda user: issue_development_token(settings, user, _TOKEN_LIFE),
            say=told.print,
        )
        told.print(f"Service {where.url}, sandbox {where.sandbox_url}\n")
        checks = [check for play in ACTS for check in play(stage)]
        checks.append(_ledger(stage))
    told.print("\nIs it right?")
    for check in checks:
        told.print(f"  {'yes' if check.holds else 'NO '}  {check.what}  {check.detail}".rstrip())
    return checks


def _ledger(stage: Stage) -> Check:
    """Every invariant over all the books, not only what the demo did."""
    broken = stage.get("/api/ops/ledger/verify")["violations"]
    names = ", ".join(violation["name"] for violation in broken)
    return Check("every invariant of the ledger holds", not broken, names)


@contextmanager
def _running() -> Iterator[Whereabouts]:
    """The service of this checkout; ours for the time of the block if none was there."""
    found = whereabouts() or _at_given_port()
    if found is not None and _lives(found.url):
        yield found
        return
    errors.print("Starting the service ...")
    process = subprocess.Popen(
        [sys.executable, "-m", "payops", "dev"],
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={"PAYOPS_PORT": "0", **os.environ},
        start_new_session=True,  # Ctrl-C is for us; we stop it ourselves
    )
    try:
        yield _started(process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_STOPPED_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _at_given_port() -> Whereabouts | None:
    """A service that was started in another way, on the port of the environment."""
    port = os.environ.get("PAYOPS_PORT")
    rail = os.environ.get("PAYOPS_LIPANA__BASE_URL")
    if not port or not rail:
        return None
    return Whereabouts(0, f"http://127.0.0.1:{port}", rail.removesuffix("/v1"))


def _started(process: "subprocess.Popen[bytes]") -> Whereabouts:
    deadline = time.monotonic() + _STARTED_SECONDS_MAX
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ValueError("the service did not start; its words are above")
        found = whereabouts()
        if found is not None and found.pid == process.pid and _lives(found.url):
            return found
        time.sleep(_POLL_SECONDS)
    raise ValueError(f"the service was not ready within {_STARTED_SECONDS_MAX} seconds")


def _lives(url: str) -> bool:
    try:
        return httpx.get(f"{url}/livez", timeout=5).is_success
    except httpx.HTTPError:
        return False
