"""What a merchant of NOWPayments sees of each scripted price."""

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from payops.sandbox import NOWPAYMENTS_SCRIPTS, nowpayments_table, price_of
from tests.providers.sandbox.crypto import PATIENCE_SECONDS, SETTINGS, Shop, outcome_of, shop_of

_TOLD = "waiting confirming confirmed sending"


@dataclass(frozen=True, slots=True)
class Seen:
    """One payment from outside: the answer to the POST, the notifications, the GETs, the money.

    Notifications and GETs are statuses, a child's with ``+``; ``received`` is a share of the price.
    """

    posted: str = "201"
    told: str = f"{_TOLD} finished"
    asked: str = "finished"
    received: str = "1"


PAID = Seen()
PARTIAL = Seen(told=f"{_TOLD} partially_paid", asked="partially_paid", received="0.6")
CHILD = f"{_TOLD} finished +confirming"
NEVER = Seen(told="", asked="", received="0")

SEEN = {
    "01": PAID,
    "02": Seen(told="finished sending confirmed confirming waiting"),
    "03": Seen(told=" ".join(["waiting"] * 3 + ["confirming"] * 3 + ["finished"] * 3)),
    "04": PARTIAL,
    "05": Seen(received="1.5"),
    "06": Seen(told=f"{CHILD} +partially_paid", asked="finished +partially_paid", received="1.5"),
    "07": Seen(told=f"{CHILD} +finished", asked="finished +finished", received="1.001"),
    "08": Seen(told="waiting confirming wrong_asset_confirmed", asked="wrong_asset_confirmed"),
    "09": Seen(told="waiting expired confirming confirmed sending finished"),
    "10": Seen(told=f"finished {_TOLD} finished"),
    "11": Seen(told=""),
    "12": Seen(posted="late"),
    "13": PAID,
    "14": Seen(posted="lost"),
    "15": replace(NEVER, posted="500"),
    "16": Seen(posted="html"),
    "17": Seen(told="waiting", asked="waiting", received="0"),
    "18": PAID,
    "19": Seen(told="waiting confirming failed", asked="failed", received="0.01"),
    "20": Seen(told=f"{_TOLD} finished refunded", asked="refunded"),
    "21": Seen(told=f"{_TOLD} finished finished"),
    "22": Seen(told="waiting confirming on_hold", asked="on_hold"),
    "23": PAID,
    "24": Seen(told=f"{_TOLD} finished finished finished"),
    "25": Seen(asked="500 500 500 finished"),
    "26": Seen(told=f"{CHILD} +partially_paid", asked="finished +404", received="1.5"),
    "27": PAID,
    "28": Seen(asked="404 404 404 finished"),
    "29": replace(NEVER, posted="400"),
    "30": replace(NEVER, posted="400"),
    "31": Seen(told="waiting confirming finished"),
    "32": Seen(told="waiting failed", asked="failed", received="0"),
    "33": Seen(told="waiting expired", asked="expired", received="0"),
    "34": replace(PARTIAL, told=f"{PARTIAL.told} finished", asked="finished"),
    "35": replace(PARTIAL, told=f"{PARTIAL.told} cancelled", asked="cancelled"),
    "36": Seen(told="waiting", asked="waiting", received="0"),
    "37": Seen(told="finished", asked="waiting", received="0"),
    "38": replace(NEVER, posted="401"),
    "39": replace(NEVER, posted="429"),
    "40": Seen(posted="500"),
    "41": replace(NEVER, posted="lost"),
    "42": Seen(told="waiting confirming", asked="confirming"),
    "43": PAID,
    "44": Seen(told=f"{CHILD} +partially_paid", asked="finished +partially_paid", received="1.5"),
    "45": Seen(told="finished", asked="waiting", received="0"),
    "46": Seen(told="waiting failed finished"),
    "47": Seen(asked="500 500 500 500"),
    "48": Seen(
        told=f"{CHILD} +partially_paid +confirming +partially_paid",
        asked="finished +partially_paid +partially_paid",
        received="1.75",
    ),
    "49": Seen(told="finished"),
    "50": PAID,
    "51": PAID,
}


@pytest.mark.parametrize("key", NOWPAYMENTS_SCRIPTS)
async def test_a_scripted_price_behaves_as_its_script_says(shop: Shop, key: str) -> None:
    """
    The answer, the notifications, the later answers and the money are those of the script.
    """
    patience = PATIENCE_SECONDS if SEEN[key].posted == "late" else 20
    posted = await outcome_of(shop.open(key, coin="usdttrc20"), patience_seconds=patience)
    book = await shop.quiet_book()
    asked = await asked_about(shop, book, len(SEEN[key].asked.split()))

    received = sum((Decimal(p["received"]) * usd_of(p) for p in book["payments"]), Decimal(0))
    seen = Seen(
        posted=posted,
        told=" ".join(_word(notice, notice["payment_status"]) for notice in shop.notices),
        asked=" ".join(asked),
        received=f"{(received / price_of(key)).quantize(Decimal('1e-6')).normalize():f}",
    )
    assert SEEN[key] == seen


def test_every_script_is_covered_by_this_test() -> None:
    """
    No script is without an expectation, and no two have one name.
    """
    assert list(NOWPAYMENTS_SCRIPTS) == list(SEEN)
    names = {script.name for script in NOWPAYMENTS_SCRIPTS.values()}
    assert len(NOWPAYMENTS_SCRIPTS) == len(names)


def test_the_table_has_a_row_for_each_script() -> None:
    """
    The Markdown table names each price once.
    """
    _, _, *rows = nowpayments_table().splitlines()

    assert [f"| 99.{key} " for key in NOWPAYMENTS_SCRIPTS] == [row[:8] for row in rows]
    assert all(row.count("|") == 5 for row in rows)
    assert any("| 60 % |" in row for row in rows)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("13", "pay_address"),
        ("18", "price_amount"),
        ("43", "order_id"),
        ("31", "pay_currency"),
        ("08", "pay_currency"),
    ],
)
async def test_what_is_misstated_differs_from_the_reply(shop: Shop, key: str, name: str) -> None:
    """
    Notification and GET agree with each other, and not with what was asked for.
    """
    opened = (await shop.open(key)).json()
    await shop.quiet_book()

    shown = (await shop.get(f"payment/{opened['payment_id']}")).json()
    assert shop.notices[-1][name] == shown[name] != opened[name]


async def test_the_second_look_states_another_amount(shop: Shop) -> None:
    """
    Script 21 tells the truth to the first question after settlement, and then doubles it.
    """
    opened = (await shop.open("21")).json()
    book = await shop.quiet_book()

    path = f"payment/{opened['payment_id']}"
    first, second, third = [(await shop.get(path)).json()["actually_paid"] for _ in range(3)]

    assert opened["pay_amount"] == first
    assert [2 * first] * 2 == [second, third]
    assert str(opened["pay_amount"]) == book["payments"][0]["received"]


async def test_an_address_may_be_cut_off(shop: Shop) -> None:
    """
    Script 17 gives an address that lacks its last characters.
    """
    assert len((await shop.open("17", coin="eth")).json()["pay_address"]) == 38


async def test_a_child_has_its_own_id_and_its_parents_price(shop: Shop) -> None:
    """
    Script 07: next to nothing arrives again, is finished, and names price and order of the first.
    """
    opened = (await shop.open("07", coin="usdc")).json()
    await shop.quiet_book()

    child, parent = shop.notices[-1], (await shop.get(f"payment/{opened['payment_id']}")).json()
    assert int(opened["payment_id"]) == child["parent_payment_id"] != child["payment_id"]
    assert ("finished", 99.07, "inv_1") == (
        child["payment_status"],
        child["price_amount"],
        child["order_id"],
    )
    assert opened["pay_address"] == child["pay_address"]
    assert [child["payment_id"]] == parent["payment_extra_ids"]
    assert child["actually_paid"] < 0.1


async def test_a_quote_may_end_at_once(shop: Shop) -> None:
    """
    Script 44 has a quote that is over by the time the reply arrives; all others last.
    """
    ended, lasting = [(await shop.open(key)).json() for key in ("44", "01")]

    assert ended["created_at"] == ended["expiration_estimate_date"]
    assert lasting["created_at"] < lasting["expiration_estimate_date"]


async def test_a_rate_limited_answer_says_when_to_come_back(shop: Shop) -> None:
    """
    The 429 of script 39 carries Retry-After in seconds.
    """
    assert "2" == (await shop.open("39")).headers["retry-after"]


async def test_everything_can_be_told_before_the_answer(shop: Shop) -> None:
    """
    Script 27 answers the POST when the last notification has been answered.
    """
    response = await shop.open("27")

    assert "finished" == shop.notices[-1]["payment_status"]
    assert "finished" == response.json()["payment_status"]


@pytest.mark.parametrize("price", [99, 98.04, 100.04, 11.6, 99.6, 99.99, 99.045])
async def test_an_ordinary_price_is_paid_without_trouble(shop: Shop, price: Any) -> None:
    """
    Only USD 99.NN with a known NN has a script of its own.
    """
    await shop.open(price=price)

    assert "straight" == (await shop.quiet_book())["payments"][0]["script"]


async def test_only_dollars_name_a_script(shop: Shop) -> None:
    """
    99.04 of another currency is an ordinary price.
    """
    await shop.open("04", price_currency="eur")

    assert "straight" == (await shop.quiet_book())["payments"][0]["script"]


async def test_prices_can_be_kept_from_choosing() -> None:
    """
    With the setting off every price is ordinary, and the controls still choose.
    """
    async with shop_of(replace(SETTINGS, scripts_by_price=False)) as shop:
        await shop.control("nowpayments/script", script="over")
        await shop.open("04")
        await shop.open("04")

        book = await shop.quiet_book()
    assert ["straight", "over"] == [payment["script"] for payment in book["payments"]]


async def asked_about(shop: Shop, book: dict[str, Any], count: int) -> list[str]:
    """``count`` answers, from one question about each payment, and more about the last."""
    payments = book["payments"][::-1]
    asked = []
    for position in range(count):
        payment = payments[min(position, len(payments) - 1)]
        response = await shop.get(f"payment/{payment['paymentId']}")
        plus = "+" if payment["parentId"] else ""
        word = json.loads(response.text)["payment_status"] if response.is_success else None
        asked.append(plus + (word or str(response.status_code)))
    return asked


def usd_of(payment: dict[str, Any]) -> Decimal:
    return {"usdttrc20": Decimal(1), "trx": Decimal("0.125")}[payment["receivedCoin"]]


def _word(notice: dict[str, Any], status: str) -> str:
    return f"+{status}" if notice["parent_payment_id"] else status
