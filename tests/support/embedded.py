"""Other processes that use the server of a checkout, and what they leave in it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import asyncpg

DEADLINE_SECONDS = 30

USER = """
import sys
from pathlib import Path
from payops.dev.postgres import EmbeddedPostgres
with EmbeddedPostgres.start(Path(sys.argv[1])) as server:
    print(server.pid, server.url, flush=True)
    sys.stdin.read()
"""
FORGETFUL_USER = """
import sys
from pathlib import Path
from payops.dev.postgres import EmbeddedPostgres
server = EmbeddedPostgres.start(Path(sys.argv[1]))
print(server.pid, server.url, flush=True)
sys.stdin.read()
"""
TEMPORARY_USER = """
import sys
from payops.dev.postgres import EmbeddedPostgres
with EmbeddedPostgres.temporary() as server:
    print(server.pid, server.home, flush=True)
    sys.stdin.read()
"""


class User(subprocess.Popen[str]):
    """Another process that uses a server until it is told to go."""

    def __init__(self, script: str, *arguments: object) -> None:
        super().__init__(
            [sys.executable, "-c", script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def reports(self) -> tuple[int, str]:
        assert self.stdout is not None
        pid, detail = self.stdout.readline().split()
        return int(pid), detail

    def goes(self) -> int:
        self.communicate()
        return self.returncode


async def ask(url: str, sql: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


async def remember(url: str, note: str) -> None:
    await ask(url, "CREATE TABLE IF NOT EXISTS notes (note text)")
    await ask(url, f"INSERT INTO notes VALUES ('{note}')")


async def remembered(url: str) -> list[str]:
    return [row["note"] for row in await ask(url, "SELECT note FROM notes")]


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
