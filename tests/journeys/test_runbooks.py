"""Every page can be followed half asleep: the same parts, and commands that do what they say."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from payops.access import service as access
from payops.access.domain import Scope
from payops.alerts.domain import show as show_alert
from payops.deposits.domain.states import State as DepositState
from payops.dev.postgres import PostgresUnavailable
from payops.dev.postgres.binaries import find_binaries
from payops.webhooks.domain import show
from tests.journeys.runbook import PARTS, Night, blocks_of, pages, parts_of
from tests.support.commands import Payops
from tests.support.process import environment, forked
from tests.support.shop import AMINA, BARAKA, OTHER_PHONE, SECRET, Shop, running_shop
from tests.support.till import open_till

PAGES = {page.stem: page for page in pages()}
# These need a server of their own; tests/journeys/test_restore.py follows them.
OF_SERVERS = {"database-failover", "restore"}
WORD = re.compile(r"(?<![$\w{\"/])[A-Z][A-Z_]{3,}(?![\w=])")


@pytest.mark.parametrize("page", PAGES.values(), ids=list(PAGES))
def test_a_page_has_the_five_parts(page: Path) -> None:
    """Symptom, first look, decide, act, verify; looking and verifying is done by commands."""
    parts = parts_of(page)

    assert PARTS == list(parts)
    assert [] == [
        name for name in ("First look", "Act", "Verify") if not list(blocks_of(parts[name]))
    ]
    assert "|---|" in parts["Decide"]


def test_every_page_is_in_the_contents() -> None:
    """And the contents name no page that is not there."""
    listed = re.findall(r"\]\(([\w-]+)\.md\)", (pages()[0].parent / "README.md").read_text())

    assert set(PAGES) == set(listed)


def test_words_in_capitals_are_explained() -> None:
    """What is to be filled in is said once, in the contents."""
    contents = (pages()[0].parent / "README.md").read_text()
    words = {
        word.removeprefix("PAID_").removeprefix("OTHER_")
        for page in PAGES.values()
        for block in blocks_of(page.read_text())
        for line in block.splitlines()
        if line.startswith("payops ")
        for word in WORD.findall(line)
    }

    assert {"TXID", "APPROVAL", "SECOND"} <= words
    assert [] == sorted(word for word in words if f"`{word}`" not in contents)


def success(txid: str, kes: int, **more: object) -> dict[str, object]:
    return {"transactionId": txid, "amountKES": kes, "status": "success", **more}


async def trouble(url: str) -> tuple[dict[str, str], dict[str, str]]:
    """A house in every kind of trouble: what is known of it by word, and its keys."""
    async with running_shop(url) as shop:
        known = await payouts(shop)
        pii = shop.services.settings.pii
        assert pii.keys
        assert pii.index_key
        keys = {
            "PAYOPS_PII__KEYS": pii.keys.get_secret_value(),
            "PAYOPS_PII__INDEX_KEY": pii.index_key.get_secret_value(),
            "PAYOPS_LIPANA__WEBHOOK_SECRET": SECRET,
        }
        await shop.services.scheduler.run_and_wait("audit-seal")
    known["INVOICE"] = await deposit(url)
    return known, keys


async def payouts(shop: Shop) -> dict[str, str]:
    """Two in doubt, one paid, one that waits, one that failed; parked and forged callbacks."""
    lost = await shop.is_lost(100)
    other = await shop.is_lost(110, user=BARAKA, to=OTHER_PHONE)
    paid = await shop.is_sent(120)
    await shop.hears(success(paid, 120, receipt="SLK4H7RTY9"))
    failed = await shop.is_sent(130)
    await shop.hears({**success(failed, 130), "status": "failed"})
    await shop.hears({**success(paid, 999), "note": "another amount"})
    await shop.hears(success(paid, 120), signed=False)
    await shop.accepts(140)
    (parked,) = await shop.fetch("SELECT id FROM webhook_deliveries WHERE state = 'parked'")
    (alert, *_) = await shop.fetch("SELECT id FROM alerts WHERE resolved_at IS NULL")
    issued = await access.create_key(
        shop.db, name="stolen", owner="jane", scopes=[Scope.OPS_READ], live=False
    )
    return {
        "TXID": lost,
        "OTHER_TXID": other,
        "PAID_TXID": paid,
        "DELIVERY": show(parked["id"]),
        "KEY_ID": issued.key.shown_id,
        "ALERT": show_alert(alert["id"]),
        "USER": AMINA,
        "RECEIPT": "SLK4H7RTZ1",
        "SECOND": "wanjiru",
    }


async def deposit(url: str) -> str:
    """An arrival that is worth too much to be credited without a person."""
    async with open_till(
        url, overrides={"crypto": {"usd_kes_rate": "130", "auto_credit_max_usd": 1}}
    ) as till:
        invoice = await till.invoice("20.00")
        await till.settles(invoice, "0.02", state=DepositState.FINISHED)
        return invoice.shown_id


@pytest.fixture
async def night(own_url: str, tmp_path: Path) -> AsyncIterator[Night]:
    """A shell on a house in trouble, and a process of it that answers and moves nothing."""
    try:
        programs = find_binaries().bin  # for pg_dump
    except PostgresUnavailable:
        pytest.skip("the programs of PostgreSQL are not on this machine")
    known, keys = await trouble(own_url)
    with forked({**environment(own_url, ROLE="api"), **keys}, tmp_path / "serving.log") as process:
        async with httpx.AsyncClient() as http:
            await process.ready(http)
        yield Night(
            tmp_path,
            Payops.on(own_url, tmp_path, **keys).environment,
            known,
            address=process.url,
            programs=programs,
        )


@pytest.mark.slow  # each command is a process of its own
@pytest.mark.parametrize("name", [name for name in PAGES if name not in OF_SERVERS])
async def test_a_page_can_be_followed(night: Night, name: str) -> None:
    """Every command works in a house with every kind of trouble, and the books hold after it."""
    await asyncio.to_thread(night.follows, PAGES[name])
    await asyncio.to_thread(night.types, "payops ledger verify")

    expected = [line for block in blocks_of(PAGES[name].read_text()) for line in block.splitlines()]
    assert expected == night.done[:-1]
