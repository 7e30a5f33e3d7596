"""The server of a checkout as its users meet it: its settings, its folder, its reach."""

import os
import shutil
import socket
import stat
from pathlib import Path

import asyncpg
import pytest

from payops.dev.postgres import EmbeddedPostgres, PostgresUnavailable, database
from payops.dev.postgres.cluster import choose_port
from tests.support.embedded import ask, is_alive, remember, remembered

IS_ROOT = os.geteuid() == 0


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
