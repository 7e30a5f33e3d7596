"""Nothing that was acknowledged is missing after a restore, or after a failover.

The commands are those of the runbooks, typed as they stand there. The server is the embedded
one with what `deploy/postgres/archive.conf` asks for.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from payops.dev.postgres import EmbeddedPostgres, PostgresUnavailable
from payops.dev.postgres.accounts import Account, account_for, reachable
from payops.dev.postgres.binaries import CHOICE, installed
from payops.infra.migrating import migrate
from tests.journeys.runbook import PAGES, Night, blocks_of, parts_of
from tests.support.commands import Payops
from tests.support.embedded import ask
from tests.support.process import ROOT, environment, forked
from tests.support.shop import AMINA, SECRET, Shop, running_shop
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow  # servers are copied, killed and brought back

RESTORE, FAILOVER = PAGES / "restore.md", PAGES / "database-failover.md"
CUSTOMERS = 4
PROGRAMS = ("pg_basebackup", "pg_verifybackup", "pg_controldata", "psql", "pg_isready")


def archive_settings(archive: Path) -> dict[str, str]:
    """Those of the file that is deployed, with this test's archive."""
    text = (ROOT / "deploy" / "postgres" / "archive.conf").read_text()
    found = dict(re.findall(r"^(\w+) = '?(.*?)'?$", text, re.MULTILINE))
    ours = {name: found[name] for name in ("wal_level", "archive_mode", "archive_command")}
    return {n: v.replace("/var/lib/payops-archive", str(archive)) for n, v in ours.items()}


@dataclass
class Site:
    """A machine room: folders that the server's account may use, and servers to be ended."""

    folder: Path
    account: Account
    programs: Path
    closing: ExitStack

    def place(self, name: str) -> Path:
        place = self.folder / name
        self.account.own(place)
        return place

    def serves(self, home: Path, **settings: str) -> EmbeddedPostgres:
        return self.closing.enter_context(EmbeddedPostgres.start(home, settings=settings))

    def primary(self, **settings: str) -> EmbeddedPostgres:
        """A new server that lets itself be copied by the account that runs it."""
        server = self.serves(self.folder / "primary", **settings)
        with (server.home / "hba.conf").open("a") as rules:
            rules.write("local replication all peer map=owner\n")
        os.kill(server.pid, signal.SIGHUP)
        return server


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Skipped only where no installation has the programs that copy a server."""
    for binaries in installed():
        if all((binaries.bin / program).exists() for program in PROGRAMS):
            break
    else:
        pytest.skip("no installation of PostgreSQL here can copy a server")
    monkeypatch.setenv(CHOICE, str(binaries.bin))
    account = account_for(None)
    folder = Path(tempfile.mkdtemp(prefix="payops-site-"))
    folder.chmod(0o711)
    try:
        with ExitStack() as closing:
            yield Site(folder, account, reachable(binaries, account).bin, closing)
    except PostgresUnavailable as error:
        pytest.skip(str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Acknowledged(dict[str, str]):
    """What callers were told, by their keys."""

    async def grows(self, shop: Shop, name: str, count: int) -> None:
        """``count`` requests of several customers at once."""

        async def customer(number: int) -> None:
            for turn in range(count // CUSTOMERS):
                key = f"{name}-{number}-{turn}"
                answer = await shop.asks_for(10, key=key)
                assert answer.resource
                self[key] = answer.resource

        await asyncio.gather(*(customer(number) for number in range(CUSTOMERS)))

    async def is_whole(self, url: str) -> None:
        """Every key is answered as before, and the books hold; nothing new is made."""
        async with running_shop(url) as shop:
            for key, resource in self.items():
                answer = await shop.asks_for(10, key=key)
                assert (resource, True) == (answer.resource, answer.is_replay), key
            await shop.assert_books()


def night_at(site: Site, shop: Shop, url: str, **known: str) -> Night:
    """Somebody at a shell of the server's account, with the keys of the service at hand."""
    pii = shop.services.settings.pii
    assert pii.keys
    assert pii.index_key
    keys = {
        "PAYOPS_PII__KEYS": pii.keys.get_secret_value(),
        "PAYOPS_PII__INDEX_KEY": pii.index_key.get_secret_value(),
        "PAYOPS_LIPANA__WEBHOOK_SECRET": SECRET,
    }
    return Night(
        site.folder,
        {**Payops.on(url, site.folder, **keys).environment, **known},
        {"SECOND": "wanjiru"},
        programs=site.programs,
        run_as=site.account.run_as,
    )


async def is_archived(url: str) -> None:
    """Wait until the WAL of everything committed so far is in the archive."""
    ((segment,),) = await ask(url, "SELECT pg_walfile_name(pg_current_wal_lsn())")
    await ask(url, "SELECT pg_switch_wal()")

    async def has_come() -> bool:
        ((last,),) = await ask(url, "SELECT last_archived_wal FROM pg_stat_archiver")
        return bool(last and last >= segment)

    await eventually(has_come, within=60)


async def takes_writes(url: str) -> bool:
    ((is_in_recovery,),) = await ask(url, "SELECT pg_is_in_recovery()")
    return not is_in_recovery


def kill(server: EmbeddedPostgres) -> None:
    """The machine is gone, and its disk with it."""
    os.kill(server.pid, signal.SIGKILL)


async def test_a_restore_has_everything_that_was_acknowledged(site: Site) -> None:
    """A base backup under traffic and the archive bring back every key; the books hold."""
    archive, acknowledged = site.place("archive"), Acknowledged()
    backup, data = site.place("backups") / "base", site.place("new") / "data"
    primary = site.primary(**archive_settings(archive))
    await migrate(primary.url)
    async with running_shop(primary.url) as shop:
        await shop.funds(AMINA, 100_000)
        await acknowledged.grows(shop, "before", 20)
        night = night_at(
            site, shop, primary.url, BACKUP=str(backup), ARCHIVE=str(archive), DATA=str(data)
        )
        traffic = asyncio.create_task(acknowledged.grows(shop, "during", 40))
        await asyncio.to_thread(night.follows, RESTORE, "Symptom")
        await traffic
        await acknowledged.grows(shop, "after", 20)
    await is_archived(primary.url)
    kill(primary)
    shutil.rmtree(primary.home / "data")

    put_in_place, *rest = blocks_of(parts_of(RESTORE)["Act"])
    await asyncio.to_thread(night.follows, RESTORE, "First look")
    await asyncio.to_thread(night.types, put_in_place)
    home = site.folder / "restored"
    home.mkdir()
    data.rename(home / "data")
    restored = await asyncio.to_thread(site.serves, home)
    await eventually(lambda: takes_writes(restored.url), within=60)
    night.environment = {**night.environment, "RESTORED_URL": restored.url}
    for block in [*rest, *blocks_of(parts_of(RESTORE)["Verify"])]:
        await asyncio.to_thread(night.types, block)

    assert 80 == len(acknowledged)
    await acknowledged.is_whole(restored.url)


async def test_a_synchronous_standby_has_everything_that_was_acknowledged(
    site: Site, tmp_path: Path
) -> None:
    """The primary is killed under traffic; the page brings the service back on the other."""
    acknowledged, home = Acknowledged(), site.folder / "standby"
    primary = site.primary()
    await migrate(primary.url)
    copy = site.place("copies") / "data"
    await asyncio.to_thread(copy_for_standby, site, primary.url, copy)
    home.mkdir()
    copy.rename(home / "data")
    standby = await asyncio.to_thread(site.serves, home)
    await ask(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    await ask(primary.url, "SELECT pg_reload_conf()")

    async def is_synchronous() -> bool:
        return bool(
            await ask(primary.url, "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'")
        )

    await eventually(is_synchronous, within=30)
    async with running_shop(primary.url) as shop:
        await shop.funds(AMINA, 100_000)
        await acknowledged.grows(shop, "before", 40)
        night = night_at(site, shop, primary.url, STANDBY_URL=standby.url)
    doctor = await asyncio.to_thread(Payops.on(standby.url, tmp_path).run, "doctor", "--json")
    assert "a standby: it takes no writes" in doctor.out
    serving = {**environment(primary.url, ROLE="api")}
    with forked(serving, tmp_path / "serving.log") as process:
        async with httpx.AsyncClient() as http:
            await process.ready(http)
        night.address = process.url
        kill(primary)
        await asyncio.to_thread(night.follows, FAILOVER)

    assert 40 == len(acknowledged)
    await acknowledged.is_whole(standby.url)


def copy_for_standby(site: Site, url: str, place: Path) -> None:
    subprocess.run(
        [
            site.programs / "pg_basebackup",
            f"--dbname={url}",
            f"--pgdata={place}",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--write-recovery-conf",
        ],
        check=True,
        capture_output=True,
        cwd=site.folder,
        timeout=120,
        **site.account.run_as,
    )
