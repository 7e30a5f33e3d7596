"""To a database behind TLS: each way that connects is encrypted, and only with who was meant."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx
import pytest

from bench import database as bench
from payops.infra import migrating
from payops.infra.connecting import WrongServer, opened
from payops.infra.db import DatabaseUnavailable, connect
from payops.infra.listening import Listener, Wakeups
from payops.infra.settings.database import address_of
from tests.support import sql
from tests.support.commands import Payops
from tests.support.postgres import Server, connected
from tests.support.process import commanded, environment
from tests.support.tls import (
    HOST,
    Authority,
    Secured,
    context_of,
    fronted,
    is_encrypted,
    real_server,
)
from tests.support.waiting import eventually

Way = Callable[[str], Awaitable[None]]
REFUSED = (OSError, DatabaseUnavailable)  # an error of TLS is an OSError


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that signed nothing of the server's."""
    return Authority(tmp_path_factory.mktemp("tls"), "stranger")


@pytest.fixture(scope="module")
def real(authority: Authority) -> Iterator[Secured]:
    """PostgreSQL itself with ``ssl = on``."""
    with real_server(authority) as server:
        yield Secured.of(server.url, server.url, authority)


@pytest.fixture(params=["postgresql", "front"])
async def secured(
    request: pytest.FixtureRequest, own_url: str, authority: Authority
) -> AsyncIterator[Secured]:
    if request.param == "postgresql":
        yield request.getfixturevalue("real")
        return
    async with fronted(own_url, context_of(*authority.signs(HOST))) as front:
        yield Secured.of(front.url, own_url, authority)


@pytest.fixture
async def plain(own_url: str, authority: Authority) -> AsyncIterator[Secured]:
    """A server that has no TLS."""
    async with fronted(own_url, None) as front:
        yield Secured.of(front.url, own_url, authority)


async def by_the_pool(url: str) -> None:
    database = connect(url, pool_size=2)
    try:
        assert await sql.fetchval(database, "SELECT true")
    finally:
        await database.close()


async def by_migrating(url: str) -> None:
    await migrating.migrate(url)


async def by_the_connection_of_migrations(url: str) -> None:
    async with migrating.connected(url) as connection:
        await connection.exec_driver_sql("SELECT 1")


async def by_listening(url: str) -> None:
    listener = Listener(url, Wakeups())
    listening = asyncio.create_task(listener._listen())
    await eventually(lambda: listener.is_connected or listening.done())
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening


async def by_the_bench(url: str) -> None:
    await asyncio.to_thread(bench.run, url, lambda connection: connection.execute("SELECT 1"))


WAYS = pytest.mark.parametrize(
    "way",
    [
        by_the_pool,
        by_migrating,
        by_the_connection_of_migrations,
        by_listening,
        by_the_bench,
    ],
)


@WAYS
async def test_the_server_that_was_meant_is_connected_to(way: Way, secured: Secured) -> None:
    """With the one URL that libpq takes too."""
    await way(secured.verified())


@WAYS
async def test_a_server_with_another_authority_is_not(
    way: Way, secured: Secured, stranger: Authority
) -> None:
    """Anybody can sign a certificate of their own for the name."""
    with pytest.raises(REFUSED):
        await way(secured.verified(sslrootcert=stranger.file))


@WAYS
async def test_a_server_with_another_name_is_not(way: Way, secured: Secured) -> None:
    """Its certificate is good, and somebody else's; ``verify-ca`` does not look at the name."""
    other, root = "127.0.0.1", secured.authority.file

    with pytest.raises(REFUSED):
        await way(secured.url(host=other, sslmode="verify-full", sslrootcert=root))
    await way(secured.url(host=other, sslmode="verify-ca", sslrootcert=root))


@WAYS
@pytest.mark.parametrize("mode", ["require", "verify-full"])
async def test_a_server_without_tls_is_not(
    way: Way, plain: Secured, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is all that somebody in the way would have to say. ``prefer`` settles for it."""
    monkeypatch.setenv("PGSSLROOTCERT", str(plain.authority.file))

    with pytest.raises(REFUSED):
        await way(plain.url(sslmode=mode))
    await way(plain.url(sslmode="prefer"))


@WAYS
async def test_the_environment_means_the_same_everywhere(
    way: Way, secured: Secured, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the URL: what libpq's variables ask for holds for all that connects."""
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    monkeypatch.setenv("PGSSLROOTCERT", str(secured.authority.file))
    await way(secured.url())

    monkeypatch.setenv("PGSSLROOTCERT", str(stranger.file))
    with pytest.raises(REFUSED):
        await way(secured.url())


@pytest.mark.parametrize(
    ("mode", "encrypted"),
    [("disable", False), ("allow", False), ("prefer", True), ("require", True)],
)
async def test_the_server_itself_says_what_is_encrypted(
    real: Secured, mode: str, *, encrypted: bool
) -> None:
    """By ``pg_stat_ssl``, for the pool and for a connection next to it."""
    url = real.url(sslmode=mode)
    database = connect(url, pool_size=1)

    async with database.transaction() as tx:
        assert encrypted == await is_encrypted(tx)
    await database.close()
    beside = await opened(address_of(url), timeout_seconds=5)
    assert encrypted == await is_encrypted(beside)
    await beside.close()


async def test_a_certificate_of_our_own_is_shown(
    own_url: str, authority: Authority, stranger: Authority
) -> None:
    """``sslcert`` and ``sslkey``, to a server that takes no client without."""
    context = context_of(*authority.signs(HOST), clients_of=authority.file)
    certificate, key = authority.signs("payops")
    foreign, its_key = stranger.signs("payops")
    async with fronted(own_url, context) as front:
        server = Secured.of(front.url, own_url, authority)

        await by_the_pool(server.verified(sslcert=certificate, sslkey=key))
        for url in (server.verified(), server.verified(sslcert=foreign, sslkey=its_key)):
            with pytest.raises(REFUSED):
                await by_the_pool(url)


async def test_an_address_of_ipv6_is_verified_as_such(own_url: str, authority: Authority) -> None:
    """In brackets, and by the address in the certificate."""
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    context = context_of(*authority.signs("::1"))
    async with fronted(own_url, context, host="::1") as front:
        await by_the_pool(Secured.of(front.url, own_url, authority).verified(host="[::1]"))


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


async def test_a_silent_server_does_not_use_up_the_time_of_the_next(own_url: str) -> None:
    """A machine that is switched off does not even refuse; its successor is found all the same."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with fronted(own_url, None) as front:
            name = own_url.partition("?")[0].rpartition("/")[2]
            hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{front.port}"

            await by_the_pool(f"postgresql://payops@{hosts}/{name}?connect_timeout=1")


@pytest.fixture
async def unwritable(own_url: str, server: Server) -> str:
    """What a standby looks like to a client, or a primary that was told to be one."""
    name = own_url.partition("?")[0].rpartition("/")[2]
    async with connected(server.url) as connection:
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    return own_url


async def test_a_server_that_takes_no_writes_is_passed_over(unwritable: str, real: Secured) -> None:
    """For the one behind it; the first that answers would do if nothing were asked for."""
    name = unwritable.partition("?")[0].rpartition("/")[2]
    async with connected(real.url()) as connection:
        await connection.execute(f"CREATE DATABASE {name}")
    async with fronted(unwritable, None) as front:
        url = f"postgresql://{real.user}@127.0.0.1:{front.port},{HOST}:{real.port}/{name}"
        found = [
            await _value(f"{url}?target_session_attrs={asked}", "SHOW ssl")
            for asked in ("any", "read-write")
        ]

    assert ["off", "on"] == found


async def _value(url: str, query: str) -> object:
    connection = await opened(address_of(url), timeout_seconds=5)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_when_no_server_takes_writes_the_database_is_unavailable(unwritable: str) -> None:
    """In the midst of a failover: it passes, and is no fault of ours."""
    own_url, asks = unwritable, "target_session_attrs=read-write"

    with pytest.raises(WrongServer, match="no server is read-write"):
        await opened(address_of(f"{own_url}&{asks}"), timeout_seconds=5)
    with pytest.raises(DatabaseUnavailable):
        await by_the_pool(f"{own_url}&{asks}")


async def test_a_wrong_password_is_not_tried_on_the_next_server(real: Secured) -> None:
    """It would be wrong there too, and the first answer is the one to read."""
    address = f"{HOST}:{real.port}"
    url = f"postgresql://payops:wrong@{address},127.0.0.1:1/payops?sslmode=require"

    with pytest.raises(asyncpg.InvalidPasswordError):
        await opened(address_of(url), timeout_seconds=5)


async def test_a_session_is_set_up_as_the_url_asks(own_url: str) -> None:
    """``application_name`` and ``options``, as with libpq."""
    options = "options=-c%20search_path%3Dpg_catalog%20-c%20work_mem%3D5MB"
    database = connect(f"{own_url}&application_name=pay+ops&{options}", pool_size=1)

    shown = [
        await sql.fetchval(database, f"SHOW {name}")
        for name in ("application_name", "search_path", "work_mem")
    ]

    await database.close()
    assert ["pay+ops", "pg_catalog", "5MB"] == shown


async def test_a_password_may_hold_anything(real: Secured) -> None:
    """Percent-encoded in the URL."""
    async with connected(real.url()) as connection:
        await connection.execute("DROP ROLE IF EXISTS picky")
        await connection.execute("CREATE ROLE picky LOGIN PASSWORD 'a@b:c/d?e#f%g[h]+i j'")

    url = f"postgresql://picky:a%40b%3Ac%2Fd%3Fe%23f%25g%5Bh%5D+i%20j@{HOST}:{real.port}/payops"
    await by_the_pool(f"{url}?sslmode=require")


@pytest.fixture
def payops(secured: Secured, tmp_path: Path) -> Payops:
    return Payops.on(secured.verified(), tmp_path)


async def test_commands_connect_as_the_service_does(
    payops: Payops, secured: Secured, stranger: Authority
) -> None:
    """And what is wrong with a certificate is told in a line."""
    migrated = await asyncio.to_thread(payops.run, "migrate")
    doctor = await asyncio.to_thread(payops.run, "doctor", "--json")
    verified = await asyncio.to_thread(payops.run, "ledger", "verify")
    wrong = secured.verified(sslrootcert=stranger.file)
    distrustful = Payops(payops.folder, {**payops.environment, "PAYOPS_DATABASE_URL": wrong})
    refused = [
        await asyncio.to_thread(distrustful.run, *words)
        for words in (("migrate",), ("ledger", "verify"), ("doctor", "--json"))
    ]

    assert (0, 0, 0) == (migrated.code, doctor.code, verified.code), doctor.out
    assert [3, 3, 1] == [ended.code for ended in refused]
    assert all("certificate verify failed" in ended.err for ended in refused[:2])
    assert "certificate verify failed" in refused[2].out


_CLEAR = """
    SELECT count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
    WHERE client_addr IS NOT NULL AND datname = $1
"""


async def test_a_whole_service_says_nothing_in_the_clear(
    real: Secured, tmp_path: Path, http: httpx.AsyncClient
) -> None:
    """On the loop it really runs on: its pool is encrypted, and it hears its wake-ups."""
    url = real.verified()
    await migrating.migrate(url)
    with commanded(environment(url), tmp_path / "log") as serving:
        await serving.ready(http)

        async def hears() -> bool:
            metrics = (await http.get(f"{serving.url}/metrics")).text
            return "payops_listener_connected 1.0" in metrics

        await eventually(hears)
        async with connected(url) as onlooker:
            assert 0 == await onlooker.fetchval(_CLEAR, real.database)
        assert 0 == serving.terminate(), serving.last_words()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


async def test_a_setting_that_cannot_be_used_is_told_before_anything_runs(
    own_url: str, tmp_path: Path
) -> None:
    """By the variable's name, without the URL, and with exit code 3."""
    payops = Payops.on(f"{own_url}&sslmod=require&password=kP9vX2mQ7r", tmp_path)
    for words in (("migrate",), ("serve",), ("ledger", "verify")):
        ended = await asyncio.to_thread(payops.run, *words)

        assert (3, "") == (ended.code, ended.out)
        assert "PAYOPS_DATABASE_URL" in ended.err
        assert "sslmod is not understood" in ended.err
        assert "kP9vX2mQ7r" not in ended.err
    doctor = await asyncio.to_thread(payops.run, "doctor", "--json")
    assert 1 == doctor.code
    assert "sslmod is not understood" in doctor.json["items"][0]["detail"]
