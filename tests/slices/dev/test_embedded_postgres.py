"""The server of a checkout as its users meet it: real processes, real signals, real data."""

import asyncio
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from payops.dev.postgres import EmbeddedPostgres, PostgresUnavailable, database, server
from payops.dev.postgres.cluster import choose_port
from payops.dev.postgres.postmaster import serves

IS_ROOT = os.geteuid() == 0
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


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that an unprivileged account can reach, unlike those pytest makes for root."""
    folder = Path(tempfile.mkdtemp(prefix="payops-home-"))
    folder.chmod(0o755)
    yield folder / ".payops" / "postgres"
    shutil.rmtree(folder)


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


async def test_the_database_is_durable_and_checks_its_pages() -> None:
    """
    What the ledger rests on is on: fsync, full pages, synchronous commits, checksums, UTF-8.
    """
    expected = {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
    }

    with EmbeddedPostgres.temporary() as postgres:
        [row] = await ask(
            postgres.url, "SELECT " + ", ".join(f"current_setting('{n}') AS {n}" for n in expected)
        )

    assert expected == dict(row)


async def test_only_the_owner_reaches_it_and_only_by_socket() -> None:
    """
    Nothing listens on a port, and the data and the socket are closed to other accounts.
    """
    with EmbeddedPostgres.temporary() as postgres:
        [row] = await ask(postgres.url, "SELECT current_setting('listen_addresses') AS addresses")
        modes = {stat.S_IMODE((postgres.home / n).stat().st_mode) for n in ("data", "socket")}

    assert "" == row["addresses"]
    assert {0o700} == modes


async def test_over_tcp_it_wants_the_password() -> None:
    """
    A port can be reached by every account of the machine, so a random password guards it.
    """
    with EmbeddedPostgres.temporary(tcp=True) as postgres:
        [row] = await ask(postgres.url, "SELECT 1 AS one")
        secret = postgres.home / "password"

        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(postgres.url.replace(secret.read_text(), "guessed"), "SELECT 1")

        assert 0o600 == stat.S_IMODE(secret.stat().st_mode)
    assert 1 == row["one"]


async def test_data_survives_a_stop(home: Path) -> None:
    """
    The next start serves what was committed before.
    """
    with EmbeddedPostgres.start(home) as postgres:
        await remember(postgres.url, "before")

    with EmbeddedPostgres.start(home) as postgres:
        assert ["before"] == await remembered(postgres.url)


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
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
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


async def test_a_long_path_is_no_obstacle(home: Path) -> None:
    """
    A checkout may lie deeper than the 107 bytes a socket's path may have.
    """
    deep = home / ("d" * 60) / ("e" * 60)

    with EmbeddedPostgres.start(deep) as postgres:
        assert [1] == [row["one"] for row in await ask(postgres.url, "SELECT 1 AS one")]
        sockets = postgres.url.split("host=")[1].split("&")[0]

    shutil.rmtree(sockets)


async def test_a_half_made_cluster_is_made_anew(home: Path) -> None:
    """
    A crash during the first start leaves nothing that counts as data.
    """
    (home / "data.new").mkdir(parents=True)
    (home / "data.new" / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres.start(home) as postgres:
        assert [1] == [row["one"] for row in await ask(postgres.url, "SELECT 1 AS one")]


def test_a_server_that_does_not_come_up_says_why(home: Path) -> None:
    """
    The end of the server's log is in the error.
    """
    with pytest.raises(PostgresUnavailable, match="no_such_option"):
        EmbeddedPostgres.start(home, settings={"no_such_option": "1"})


def test_a_temporary_server_takes_its_folder_along() -> None:
    """
    Nothing is left of it, process or file.
    """
    with EmbeddedPostgres.temporary() as postgres:
        home, pid = postgres.home, postgres.pid

    assert not home.exists()
    assert not is_alive(pid)


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


def test_a_given_url_is_used_as_it_is(tmp_path: Path) -> None:
    """
    With a database of one's own nothing is started.
    """
    with database("postgresql://me@db.example/payops", tmp_path / "postgres") as url:
        assert "postgresql://me@db.example/payops" == url

    assert not (tmp_path / "postgres").exists()


async def test_without_a_url_the_server_of_the_folder_is_used(home: Path) -> None:
    """
    The one call that `payops dev` makes.
    """
    with database(None, home) as url:
        assert [1] == [row["one"] for row in await ask(url, "SELECT 1 AS one")]


@pytest.mark.skipif(not IS_ROOT, reason="needs an account to stand in for root")
async def test_root_runs_it_as_another_account_that_sees_nothing_else(home: Path) -> None:
    """
    PostgreSQL refuses root; the account that runs it cannot look around in the folder either.
    """
    with EmbeddedPostgres.start(home) as postgres:
        assert 0 != Path("/proc", str(postgres.pid)).stat().st_uid
        assert 0 == home.stat().st_uid
        assert 0o711 == stat.S_IMODE(home.stat().st_mode)


@pytest.mark.skipif(not IS_ROOT, reason="only root has folders it must not open")
async def test_a_checkout_closed_to_that_account_stays_closed(home: Path) -> None:
    """
    Data and binaries go where the account can reach them; a pointer says where, and it lasts.
    """
    closed = home.parent.parent
    closed.chmod(0o700)

    with EmbeddedPostgres.start(home) as postgres:
        await remember(postgres.url, "elsewhere")
        elsewhere = postgres.home
    with EmbeddedPostgres.start(home) as postgres:
        assert ["elsewhere"] == await remembered(postgres.url)
        assert elsewhere == postgres.home

    assert f"{elsewhere}\n" == (home / "moved-to").read_text()
    assert 0o700 == stat.S_IMODE(closed.stat().st_mode)
    shutil.rmtree(elsewhere)


def test_a_socket_folder_of_somebody_else_is_not_trusted(home: Path) -> None:
    """
    In a folder everybody may write to, the name of ours may be taken already.
    """
    home.mkdir(parents=True)
    (home / "socket").symlink_to(home.parent)

    with pytest.raises(PostgresUnavailable, match="socket"):
        EmbeddedPostgres.start(home)


def test_no_port_is_left_open_by_choosing_one() -> None:
    """
    The port that was chosen can be bound by the server.
    """
    with socket.create_server(("127.0.0.1", choose_port(tcp=True))):
        pass
