"""Servers and their users are killed, and come together: real processes, real signals."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from payops.dev.postgres import EmbeddedPostgres, server
from payops.dev.postgres.postmaster import serves
from tests.support.embedded import (
    FORGETFUL_USER,
    TEMPORARY_USER,
    USER,
    User,
    ask,
    eventually,
    is_alive,
    remember,
    remembered,
)

IS_ROOT = os.geteuid() == 0


async def test_data_survives_the_death_of_the_server(home: Path) -> None:
    """
    After kill -9 of PostgreSQL itself it is started again and recovers, in the same process.
    """
    with EmbeddedPostgres.start(home) as postgres:
        await remember(postgres.url, "committed")
        os.kill(postgres.pid, signal.SIGKILL)

        postgres.ensure_running()

        assert ["committed"] == await remembered(postgres.url)


async def test_a_busy_server_that_is_killed_comes_back(home: Path) -> None:
    """
    Children of a killed server linger and hold its memory; the start waits for their end.
    """
    with EmbeddedPostgres.start(home) as postgres:
        connection = await asyncpg.connect(postgres.url)
        waiting = asyncio.ensure_future(
            connection.fetch("SELECT sum(n) FROM generate_series(1, 10000000) n")
        )
        [row] = await ask(postgres.url, "SELECT count(*) FROM pg_stat_activity")
        assert row["count"] > 1
        os.kill(postgres.pid, signal.SIGKILL)

        postgres.ensure_running()

        assert [1] == [r["one"] for r in await ask(postgres.url, "SELECT 1 AS one")]
        # Whichever of them the driver makes of it: the server was killed under its feet.
        with suppress(
            asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError
        ):
            await waiting
        connection.terminate()


async def test_a_server_outlives_the_kill_of_its_starter_and_is_used_again(home: Path) -> None:
    """
    After kill -9 of us the next start finds the living server by connecting to it.
    """
    starter = User(USER, home)
    pid, url = starter.reports()
    await remember(url, "from the first")
    starter.kill()
    starter.goes()

    with EmbeddedPostgres.start(home) as postgres:
        assert pid == postgres.pid
        assert ["from the first"] == await remembered(postgres.url)

    assert eventually(lambda: not serves(pid, home / "data"))


async def test_it_comes_back_when_starter_and_server_were_both_killed(home: Path) -> None:
    """
    A power cut leaves a pid file and a socket that lead nowhere; neither is believed.
    """
    starter = User(USER, home)
    pid, url = starter.reports()
    await remember(url, "before the cut")
    starter.kill()
    os.kill(pid, signal.SIGKILL)
    starter.goes()

    with EmbeddedPostgres.start(home) as postgres:
        assert ["before the cut"] == await remembered(postgres.url)


async def test_a_pid_file_that_names_a_stranger_is_not_believed(home: Path) -> None:
    """
    After a restart of the machine the number may belong to another process, which is left alone.
    """
    starter = User(USER, home)
    pid, url = starter.reports()
    await remember(url, "kept")
    starter.kill()
    os.kill(pid, signal.SIGKILL)
    starter.goes()
    owner = (home / "data").stat()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid if IS_ROOT else None) as stranger:
        for name in ("data/postmaster.pid", "socket/.s.PGSQL.5432.lock"):
            _, *lines = (home / name).read_text().splitlines()
            (home / name).write_text("\n".join([str(stranger.pid), *lines]) + "\n")

        with EmbeddedPostgres.start(home) as postgres:
            assert ["kept"] == await remembered(postgres.url)
            assert stranger.poll() is None

        stranger.kill()


async def test_an_empty_pid_file_is_no_obstacle(home: Path) -> None:
    """
    A power cut can leave the file without its content.
    """
    with EmbeddedPostgres.start(home) as postgres:
        await remember(postgres.url, "kept")
    (home / "data" / "postmaster.pid").touch()

    with EmbeddedPostgres.start(home) as postgres:
        assert ["kept"] == await remembered(postgres.url)


async def test_a_server_whose_socket_was_swept_away_is_replaced(home: Path) -> None:
    """
    Cleaners of temporary folders take sockets; a server nobody can reach is ended first.
    """
    with EmbeddedPostgres.start(home) as postgres:
        await remember(postgres.url, "kept")
        first = postgres.pid
        (home / "socket" / ".s.PGSQL.5432").unlink()

        postgres.ensure_running()

        assert first != postgres.pid
        assert ["kept"] == await remembered(postgres.url)


@pytest.mark.slow
async def test_processes_that_start_together_get_one_server(home: Path) -> None:
    """
    Four starters race for an empty folder: one cluster, one server, and it stays to the last.
    """
    users = [User(USER, home) for _ in range(4)]
    pids = {user.reports()[0] for user in users}
    assert 1 == len(pids)
    [pid] = pids

    *early, last = users
    assert [0, 0, 0] == [user.goes() for user in early]
    assert serves(pid, home / "data")

    assert 0 == last.goes()
    assert not serves(pid, home / "data")


async def test_sigterm_stops_the_server_too(home: Path) -> None:
    """
    A supervisor's polite stop leaves no server behind.
    """
    starter = User(USER, home)
    pid, _ = starter.reports()

    starter.terminate()

    assert 128 + signal.SIGTERM == starter.goes()
    assert not serves(pid, home / "data")


async def test_leaving_without_a_word_stops_the_server(home: Path) -> None:
    """
    A program that forgets `stop` is reminded at its exit.
    """
    forgetful = User(FORGETFUL_USER, home)
    pid, _ = forgetful.reports()

    assert 0 == forgetful.goes()
    assert not serves(pid, home / "data")


async def test_other_options_restart_a_server_that_nobody_else_uses(home: Path) -> None:
    """
    A server left over from a killed process does not impose its options.
    """
    starter = User(USER, home)
    starter.reports()
    starter.kill()
    starter.goes()

    with EmbeddedPostgres.start(home, settings={"max_connections": "7"}) as postgres:
        [row] = await ask(postgres.url, "SHOW max_connections")

    assert "7" == row["max_connections"]


async def test_other_options_do_not_pull_a_server_from_under_its_users(home: Path) -> None:
    """
    Whoever comes second takes the server as it is, or is told why it cannot.
    """
    with EmbeddedPostgres.start(home) as postgres:
        other = USER.replace("(sys.argv[1])", "(sys.argv[1]), settings={'work_mem': '5MB'}")
        second = subprocess.run(
            [sys.executable, "-c", other, home], capture_output=True, text=True, check=False
        )

        assert "another process uses the database" in second.stderr
        assert [1] == [row["one"] for row in await ask(postgres.url, "SELECT 1 AS one")]


def test_temporary_servers_of_killed_processes_are_swept_up() -> None:
    """
    A test run that was killed leaves a server; the next one ends it, but none that is in use.
    """
    killed, living = User(TEMPORARY_USER), User(TEMPORARY_USER)
    lost, lost_home = killed.reports()
    used, used_home = living.reports()
    killed.kill()
    killed.goes()

    server.sweep()

    assert not Path(lost_home).exists()
    assert eventually(lambda: not is_alive(lost))
    assert serves(used, Path(used_home) / "data")
    assert 0 == living.goes()
