"""Every way the providers of deposits know to behave badly, over real sockets, to both books."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from payops.sandbox import BTCPAY_SCRIPTS, NOWPAYMENTS_SCRIPTS, price_of
from payops.sandbox.prices import COINS_USD
from payops.switches import service as switches
from tests.journeys.depositors import Depositors, depositors, of_order, worth
from tests.support.waiting import eventually

# These contradict what was asked, and halt the provider: each is played alone, below.
CONTRADICT: Final = {
    "13": "address",
    "17": "address",
    "18": "price",
    "43": "order",
    "50": "price",  # in another currency
    "51": "address",  # another memo
}
BTCPAY_CONTRADICTS: Final = {"27": "price"}
UNAUTHORIZED: Final = "38"

# Whatever is not named here is finished. Two states: it depends on how soon we looked.
NOWPAYMENTS_ENDS: Final[Mapping[str, str]] = {
    "04": "partially_paid",
    "08": "review",  # another coin
    "15": "unknown",
    "19": "review",  # failed, with money
    "20": "refunded review",
    "21": "finished review",
    "22": "waiting confirming",
    "29": "failed",
    "30": "failed",
    "31": "review",  # another coin, however finished
    "32": "failed",
    "33": "expired",
    "35": "partially_paid",
    "36": "waiting",
    "37": "waiting",
    "39": "unknown",
    "41": "unknown",
    "42": "confirming",
    "44": "review",  # the second deposit came after the quote
    "45": "waiting",
    "47": "waiting",  # it cannot be read back: patience, for hours
}
BTCPAY_ENDS: Final[Mapping[str, str]] = {
    "02": "partially_paid",
    "06": "review",  # paid and never confirmed
    "07": "review",  # marked by hand
    "09": "waiting",
    "13": "unknown",
    "17": "unknown waiting",  # nobody saw the address; whether it is heard of is chance
    "18": "review",
    "20": "expired",
    "22": "review",
    "23": "failed",
    "24": "waiting",
    "25": "waiting",
}


@pytest.mark.slow
async def test_every_script_of_nowpayments_ends_as_it_should(own_url: str, tmp_path: Path) -> None:
    """
    All at once: what is credited is what arrived, at its worth, and both books say so.
    """
    async with depositors(own_url, tmp_path) as place:
        scripts = set(NOWPAYMENTS_SCRIPTS) - set(CONTRADICT) - {UNAUTHORIZED}
        wanted = {script: NOWPAYMENTS_ENDS.get(script, "finished") for script in sorted(scripts)}
        await _played(place, wanted)
        book = await place.quiet_book()
        for script in wanted:
            opened = of_order(book, place.invoices[script])
            arrived = {one["paymentId"]: (one["received"], one["payAmount"]) for one in opened}
            await _assert_credited(place, script, arrived)
        assert not await _is_halted(place)
        await place.assert_books()


@pytest.mark.slow
async def test_every_script_of_btcpay_ends_as_it_should(own_url: str, tmp_path: Path) -> None:
    """
    The same, where an invoice has many payments and a notification is only a name.
    """
    async with depositors(own_url, tmp_path, "btcpay") as place:
        scripts = set(BTCPAY_SCRIPTS) - set(BTCPAY_CONTRADICTS)
        wanted = {script: BTCPAY_ENDS.get(script, "finished") for script in sorted(scripts)}
        await _played(place, wanted)
        book = await place.quiet_book()
        for script in wanted:
            arrived = {
                payment["id"]: (payment["value"], opened["methods"]["BTC"])
                for opened in of_order(book, place.invoices[script])
                for payment in opened["payments"]
                if payment["status"] == "Settled"
            }
            await _assert_credited(place, script, arrived)
        await place.assert_books()


async def _played(place: Depositors, wanted: Mapping[str, str]) -> None:
    await asyncio.gather(*(place.ask(script) for script in wanted))
    await place.come_to(wanted)


async def _assert_credited(
    place: Depositors, script: str, arrived: Mapping[str, tuple[str, str]]
) -> None:
    """Each credited receipt is something that arrived, valued by the formula; the wallet has it."""
    account = await place.account(script)
    price, total = price_of(script), Decimal(0)
    credited = [one for one in account["receipts"] if one["status"] == "credited"]
    for receipt in credited:
        received, asked = arrived[receipt["reference"]]
        assert Decimal(received) == Decimal(receipt["amount"]), script
        # At the market a coin is worth what the imitation's fixed table says.
        at_quote = worth(price, received, asked)
        at_market = worth(COINS_USD["btc"], received, "1")
        value = {"quote": at_quote, "market": at_market}[receipt["method"]]
        assert value == Decimal(receipt["credited"]["amount"]), script
        total += value
    if account["status"] in {"finished", "partially_paid"}:
        unknown = {"26"} if place.provider == "nowpayments" else set()  # a child that GET denies
        assert len(credited) == len(arrived) - (script in unknown), script
    wallet = await place.wallet(f"user-{script}")
    assert total == Decimal(wallet.get("USD", "0")), script
    assert total == Decimal(account.get("credited", {"amount": "0"})["amount"]), script


async def _is_halted(place: Depositors) -> bool:
    answer = await place.http.get(f"{place.base}/api/ops/switches")
    return any(one["halted"] for one in answer.json()["data"] if one["name"] == place.provider)


async def _resume(place: Depositors) -> None:
    """As two people do who have looked into it; every process knows within a second."""
    async with place.database.transaction() as tx:
        await switches.resume(tx, place.provider, reason="looked into", actor="person:test")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "contradict"), [("nowpayments", CONTRADICT), ("btcpay", BTCPAY_CONTRADICTS)]
)
async def test_a_provider_that_contradicts_itself_is_halted_until_people_resume(
    own_url: str, tmp_path: Path, provider: str, contradict: Mapping[str, str]
) -> None:
    """
    Another address, memo, price or order than asked for, or the price in another currency:
    nothing is credited, nobody is shown where to pay, and nobody pays there.
    """
    async with depositors(own_url, tmp_path, provider) as place:
        for script, what in contradict.items():
            coin = "XRP" if script == "51" else "BTC"

            async def opened(script: str = script, coin: str = coin) -> bool:
                answer = await place.ask(script, payCurrency=coin)
                if answer.status_code == 503:  # what the last one still says has halted it again
                    await _resume(place)
                return answer.status_code in {201, 502}

            await eventually(opened)
            await place.come_to({script: "review"})
            account = await place.account(script)
            assert [f"mismatch: {what}"] == account["reasons"]
            assert {"credited", "address", "memo", "payAmount"} & set(account) == set()
            assert await _is_halted(place)
            refused = await place.ask("01")
            assert (503, "deposits_halted") == (refused.status_code, refused.json()["code"])
            assert {"halted", "deposit_review"} <= await place.alerts()
            await _resume(place)
            assert {} == await place.wallet(f"user-{script}")
        await place.assert_books()


async def test_a_lost_reply_is_followed_by_the_address_under_the_same_key(
    own_url: str, tmp_path: Path
) -> None:
    """
    502, then the notification tells of it: the same key gives the address, and always the same.
    """
    async with depositors(own_url, tmp_path) as place:
        lost = await place.ask("14")
        assert (502, "provider_failed") == (lost.status_code, lost.json()["code"])
        await place.come_to({"14": "finished"})

        first, again = await place.ask("14"), await place.ask("14")
        (opened,) = of_order(await place.quiet_book(), place.invoices["14"])

    assert (201, first.content) == (first.status_code, again.content)
    assert opened["payAddress"] == first.json()["address"]


async def test_a_refused_credential_is_our_trouble_and_raises_an_alert(
    own_url: str, tmp_path: Path
) -> None:
    """
    503, the key may be sent again, and nothing was asked for twice in between.
    """
    async with depositors(own_url, tmp_path) as place:
        refused = await place.ask(UNAUTHORIZED)
        at_once = await place.ask(UNAUTHORIZED)
        found = [(one.status_code, one.json()["code"]) for one in (refused, at_once)]
        assert [(503, "provider_unavailable")] * 2 == found
        assert "deposit_credentials" in await place.alerts()
        assert [] == (await place.book())["payments"]


async def test_a_refund_after_the_credit_is_a_loss_in_suspense_and_a_review(
    own_url: str, tmp_path: Path
) -> None:
    """
    The user keeps what was credited; people decide.
    """
    async with depositors(own_url, tmp_path) as place:
        await place.ask("01")
        await place.come_to({"01": "finished"})
        reference = (await place.account("01"))["payments"][0]["reference"]
        await place.control(f"payments/{reference}/status", status="refunded")
        await place.come_to({"01": "review"})

        assert ["refunded_after_credit"] == (await place.account("01"))["reasons"]
        assert {"USD": "99.01"} == await place.wallet("user-01")
        await place.assert_books()


async def test_another_amount_at_a_second_look_posts_nothing(own_url: str, tmp_path: Path) -> None:
    """
    The provider doubles what it says arrived, after it was credited.
    """
    async with depositors(own_url, tmp_path) as place:
        await place.ask("21")
        await place.come_to({"21": "finished review"})
        reference = (await place.account("21"))["payments"][0]["reference"]
        await place.control(f"payments/{reference}/notify", status="finished")
        await place.come_to({"21": "review"})

        (reason,) = (await place.account("21"))["reasons"]
        assert reason.startswith("amount_changed: ")
        assert {"USD": "99.21"} == await place.wallet("user-21")
        await place.assert_books()


async def test_a_page_is_paid_in_two_coins_and_each_is_credited(
    own_url: str, tmp_path: Path
) -> None:
    """
    Nobody named a coin: the payer picks one, and later another, on the provider's page.
    """
    async with depositors(own_url, tmp_path) as place:
        shown = (await place.ask("04", payCurrency=None, checkout="hosted")).json()
        assert shown["checkoutUrl"].startswith(place.sandbox.url)
        assert "address" not in shown
        page = (await place.book())["invoices"][0]["invoiceId"]
        for coin in ("btc", "ltc"):
            await place.control(f"invoices/{page}/pay", coin=coin)
        await place.come_to({"04": "partially_paid"})

        async def both() -> bool:
            return len((await place.account("04"))["receipts"]) == 2

        await eventually(both)
        book = await place.quiet_book()
        opened = of_order(book, place.invoices["04"])
        value = sum(worth(price_of("04"), one["received"], one["payAmount"]) for one in opened)
        assert ["btc", "ltc"] == sorted(one["payCurrency"] for one in opened)

        async def credited() -> bool:
            return {"USD": str(value)} == await place.wallet("user-04")

        await eventually(credited)
        await place.assert_books()


async def test_a_price_in_shillings_is_credited_in_shillings(own_url: str, tmp_path: Path) -> None:
    """
    KES 2,600 at 130 a dollar is asked for as USD 20.00, in tether, and comes back as KES 2,600.
    """
    async with depositors(own_url, tmp_path) as place:
        asked = await place.ask("01", amount="2600", currency="KES", payCurrency="usdttrc20")
        assert 201 == asked.status_code
        assert Decimal(130) == Decimal(asked.json()["rate"])
        await place.come_to({"01": "finished"})
        (opened,) = of_order(await place.quiet_book(), place.invoices["01"])
        assert Decimal(20) == Decimal(opened["price"])
        assert {"KES": "2600.00"} == await place.wallet("user-01")
        await place.assert_books()


async def test_without_a_provider_named_the_first_that_sells_the_coin_is_asked(
    own_url: str, tmp_path: Path
) -> None:
    """
    NOWPayments is preferred; while it is halted, BTCPay makes the invoice.
    """
    async with depositors(own_url, tmp_path) as place:
        first = (await place.ask("01", provider=None)).json()
        halt = {"name": "nowpayments", "halted": True, "reason": "a rehearsal"}
        await place.http.post(f"{place.base}/api/ops/switches", json=halt)
        second = (await place.ask("02", provider=None)).json()
        named: Any = (await place.ask("03")).json()

    assert ["nowpayments", "btcpay"] == [first["provider"], second["provider"]]
    assert "deposits_halted" == named["code"]
