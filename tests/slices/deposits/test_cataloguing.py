"""What providers say of their coins is compared with what we know, and told while it differs."""

from typing import Any

from payops.deposits.ports import Coin, NoAnswer
from tests.support.mint import BTC, Mint
from tests.support.till import Till


async def looks(till: Till) -> Any:
    """What the job of every five minutes says."""
    run = await till.services.scheduler.run_and_wait("crypto-coins")
    assert "done" == run.status.value
    return run.result


async def test_odd_coins_are_one_alert_a_provider_until_they_are_right(till: Till) -> None:
    """However many and however often; with the codes and the fields, and gone with the last."""
    till.mint.withheld = {"DAI": ("network",), "BNB": ("smart_contract", "network")}
    assert '{"mint": ["BNB", "DAI"]}' == await looks(till)
    till.mint.withheld = {"DAI": ("network",)}
    await looks(till)

    (row,) = await till.fetch("SELECT key, severity, count, detail FROM alerts")
    assert ("deposit_coins:mint", "warning", 2) == (row["key"], row["severity"], row["count"])
    assert {"provider": "mint", "coins": {"DAI": ["network"]}} == row["detail"]

    till.mint.withheld = {}
    assert '{"mint": []}' == await looks(till)
    assert [] == await till.alerts()


async def test_a_provider_that_never_answered_says_nothing_of_its_coins(
    till: Till, monkeypatch: Any
) -> None:
    """What is open stays open: nobody knows that it is over."""
    till.mint.withheld = {"DAI": ("network",)}
    await looks(till)

    async def away(_: Mint) -> dict[str, Coin] | NoAnswer:
        return NoAnswer("503", is_outage=True)

    monkeypatch.setattr(Mint, "coins", away)
    till.mint.withheld = {}

    assert "{}" == await looks(till)
    assert ["deposit_coins:mint"] == await till.alerts()


async def test_nothing_odd_is_no_alert(till: Till) -> None:
    """And asks nothing of a person."""
    till.mint.offered = {"BTC": BTC}

    await looks(till)

    assert [] == await till.fetch("SELECT key FROM alerts")
