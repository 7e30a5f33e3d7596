"""Which coins are offered, and that none is offered as something else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from payops.deposits.addresses import networks
from payops.deposits.ports import Coin, NoAnswer
from payops.providers.nowpayments.adapter import NowPayments
from payops.providers.nowpayments.canonical import parse
from payops.providers.nowpayments.client import NowPaymentsClient
from payops.providers.nowpayments.coins import PINS, Catalogue, network_of, offer_of
from payops.providers.nowpayments.wire import CoinRecord, codes_in, records_in
from tests.providers.nowpayments.bodies import body_of, without

BTC = {
    "id": 1,
    "code": "BTC",
    "name": "Bitcoin",
    "enable": True,
    "priority": 0,
    "extra_id_exists": False,
    "extra_id_regex": None,
    "is_maxlimit": False,
    "network": "btc",
    "smart_contract": None,
    "network_precision": "8",
    "precision": 8,
    "ticker": "btc",
    "available_for_payment": True,
    "extra_id_optional": False,
}
DAI = BTC | {
    "code": "DAI",
    "network": "eth",
    "smart_contract": "0x6b175474e89094c44da98b954eedeac495271d0f",
    "network_precision": "18",
    "precision": 8,
}
XRP = BTC | {
    "code": "XRP",
    "network": "xrp",
    "network_precision": "6",
    "extra_id_exists": True,
}
TRON_USDT = BTC | {
    "code": "USDTTRC20",
    "network": "trx",
    "smart_contract": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    "network_precision": "6",
    "precision": 6,
}
ALL = frozenset(PINS)


def records(*rows: dict[str, Any]) -> Iterator[CoinRecord]:
    return records_in(parse(body_of({"currencies": list(rows)})))


def answers(network: respx.Router, *rows: dict[str, Any]) -> tuple[respx.Route, respx.Route]:
    """The account has chosen all of ``rows``."""
    selected = network.get("/merchant/coins").mock(
        return_value=httpx.Response(200, json={"selectedCurrencies": [row["code"] for row in rows]})
    )
    listed = network.get("/full-currencies").mock(
        return_value=httpx.Response(200, json={"currencies": rows})
    )
    return selected, listed


def test_coins_are_offered_as_they_are_pinned() -> None:
    """Code, network, decimals and memo; the fewest decimals that anybody states."""
    assert {
        "BTC": Coin("BTC", "bitcoin", 8),
        "DAI": Coin("DAI", "ethereum", 8),
        "XRP": Coin("XRP", "xrp", 6, has_memo=True),
        "USDTTRC20": Coin("USDTTRC20", "tron", 6),
    } == offer_of(ALL, records(BTC, DAI, XRP, TRON_USDT)).coins


SAME: dict[str, dict[str, Any]] = {
    "lower case": {"code": "dai"},
    "checksummed": {"smart_contract": "0x6B175474E89094C44Da98b954EedeAC495271d0F"},
    "numbers as texts": {"precision": "8", "network_precision": 18},
    "precision not stated": {"network_precision": None},
    "flags as texts": {"enable": "true", "available_for_payment": "true"},
    "contract not stated": {"smart_contract": None},
    "availability not stated": {"available_for_payment": None},
    "fields of no meaning": {"ticker": 5, "wallet_regex": []},
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_a_record_may_be_written_in_several_ways(change: dict[str, Any]) -> None:
    """Case, types and what is left out do not matter."""
    assert {"DAI": Coin("DAI", "ethereum", 8)} == offer_of(ALL, records(DAI | change)).coins


NOT_OFFERED: dict[str, dict[str, Any]] = {
    "disabled": {"enable": False},
    "not said to be enabled": {"enable": None},
    "not available for payments": {"available_for_payment": False},
    "not pinned": {"code": "SHIB"},
    "bare usdt": {"code": "USDT"},
    "a code that is none": {"code": 5},
    "flags that are none": {"enable": 1},
    "decimals that are none": {"precision": 1.5},
}


@pytest.mark.parametrize("change", NOT_OFFERED.values(), ids=NOT_OFFERED)
def test_a_coin_is_not_offered_unless_all_agree(change: dict[str, Any]) -> None:
    """Our list, the account's choice, enabled, available; the other coins stay."""
    offer = offer_of(ALL | {"SHIB", "USDT"}, records(DAI | change, BTC))

    assert ["BTC"] == list(offer.coins)
    assert {} == offer.differing


def test_a_coin_that_the_account_has_not_chosen_is_not_offered() -> None:
    """The merchant's own choice counts."""
    assert ["BTC"] == list(offer_of({"BTC"}, records(DAI, BTC)).coins)


DIFFERING: dict[str, tuple[dict[str, Any], str]] = {
    "another network": (DAI | {"network": "bsc"}, "network"),
    "a network we do not know": (DAI | {"network": "eth2"}, "network"),
    "no network, whatever its contract": (DAI | {"network": None}, "network"),
    "no network, and a name of four networks": (
        BTC | {"code": "ETH", "network": None, "network_precision": "18"},
        "network",
    ),
    "no network, and a name that tokens have had": (
        BTC | {"code": "TON", "network": None, "network_precision": "9"},
        "network",
    ),
    "another contract": (
        DAI | {"smart_contract": "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d"},
        "smart_contract",
    ),
    "a contract for a network's own coin": (
        BTC | {"smart_contract": "0x6b175474e89094c44da98b954eedeac495271d0f"},
        "smart_contract",
    ),
    "another contract on Tron, but for its case": (
        TRON_USDT | {"smart_contract": "tr7nhqjekqxgtci8q8zy4pl8otszgjlj6t"},
        "smart_contract",
    ),
    "other decimals": (DAI | {"network_precision": "6"}, "network_precision"),
    "its memo is gone": (XRP | {"extra_id_exists": False}, "extra_id_exists"),
    "its memo is optional": (XRP | {"extra_id_optional": True}, "extra_id_exists"),
    "nothing said of its memo": (XRP | {"extra_id_exists": None}, "extra_id_exists"),
}


@pytest.mark.parametrize(("row", "field"), DIFFERING.values(), ids=DIFFERING)
def test_a_coin_whose_record_differs_from_its_pin_is_refused(
    row: dict[str, Any], field: str
) -> None:
    """It may be another coin under the same code; the field is named."""
    offer = offer_of(ALL, records(row))

    assert {} == offer.coins
    assert {row["code"]: (field,)} == offer.differing


@pytest.mark.parametrize("code", ["BTC", "LTC", "DOGE", "BCH", "XRP", "XLM", "TRX", "SOL"])
def test_a_coin_of_one_network_needs_no_network_stated(code: str) -> None:
    """There is no other it could be on; a contract would make it a token, and refuse it."""
    row = BTC | {"code": code, "network": None, "network_precision": None, "precision": None}
    row["extra_id_exists"] = PINS[code].needs_memo

    assert [code] == list(offer_of(ALL, records(row)).coins)
    contract = {"smart_contract": "0x6b175474e89094c44da98b954eedeac495271d0f"}
    assert {code: ("smart_contract",)} == offer_of(ALL, records(row | contract)).differing


def test_a_token_with_a_bridged_namesake_needs_its_contract_stated() -> None:
    """On Polygon two coins go by USDC: without the contract nobody knows which is meant."""
    row = DAI | {"code": "USDCMATIC", "network": "matic", "smart_contract": None}

    offer = offer_of({"USDCMATIC"}, records(row | {"network_precision": None}))

    assert {"USDCMATIC": ("smart_contract",)} == offer.differing


def test_a_coin_listed_twice_is_offered_if_both_rows_agree() -> None:
    """Otherwise nobody knows which of the two is meant."""
    assert ["BTC"] == list(offer_of(ALL, records(BTC, BTC)).coins)
    assert {} == offer_of(ALL, records(BTC, BTC | {"enable": False})).coins
    assert {"BTC": ("network",)} == offer_of(ALL, records(BTC, BTC | {"network": "x"})).differing


def test_a_memo_the_provider_newly_asks_for_is_asked_of_the_payer() -> None:
    """It knows better which of its addresses are shared."""
    offer = offer_of(ALL, records(BTC | {"extra_id_exists": True}))

    assert offer.coins["BTC"].has_memo


@pytest.mark.parametrize("code", PINS)
def test_a_pinned_network_is_one_whose_addresses_can_be_checked(code: str) -> None:
    """An address is never shown unchecked."""
    pin = PINS[code]

    assert pin.network == networks.for_currency(code)
    assert networks.validate(pin.network, "x").reason != "network_unknown"


@pytest.mark.parametrize("code", [code for code, pin in PINS.items() if pin.contract])
def test_a_pinned_contract_is_an_address_of_its_network(code: str) -> None:
    """Checksums find a slip of the pen in what money depends on."""
    pin = PINS[code]
    assert pin.contract

    assert networks.validate(pin.network, pin.contract).is_valid
    assert 1 == [other.contract for other in PINS.values()].count(pin.contract)


def test_arc20_is_avalanche() -> None:
    """Public shops show it as Arbitrum."""
    assert {"avalanche-c"} == {PINS[code].network for code in ("USDCARC20", "USDTARC20")}
    assert "avalanche-c" == network_of("avaxc")


@pytest.mark.parametrize(
    "content",
    [
        {"selectedCurrencies": ["BTC", "dai"]},
        {"currencies": ["btc", "DAI"]},
        {"selectedCurrencies": None, "currencies": ["btc", "dai"]},
        {"currencies": [{"currency": "btc", "min_amount": 1}, {"currency": "dai"}]},
        {"currencies": [{"code": "BTC"}, "dai"]},
    ],
    ids=str,
)
def test_a_list_of_coins_has_several_shapes(content: dict[str, Any]) -> None:
    """Under either name, in either case, as codes or as objects."""
    codes = codes_in(parse(body_of(content)), "selectedCurrencies", "currencies")

    assert frozenset({"BTC", "DAI"}) == codes


async def test_coins_are_asked_for_once_in_five_minutes(
    network: respx.Router, provider: NowPayments
) -> None:
    """Requests are rationed, and the list hardly ever changes."""
    selected, listed = answers(network, BTC, DAI)

    first, second = await provider.coins(), await provider.coins()

    assert not isinstance(first, NoAnswer)
    assert ["BTC", "DAI"] == list(first)
    assert first == second
    assert [1, 1] == [selected.call_count, listed.call_count]


NO_ANSWERS: dict[str, tuple[httpx.Response, NoAnswer]] = {
    "503": (httpx.Response(503), NoAnswer("HTTP 503", is_outage=True)),
    "401": (httpx.Response(401), NoAnswer("HTTP 401")),
    "404": (
        httpx.Response(404, json={"status": False, "message": "no"}),
        NoAnswer("HTTP 404"),
    ),
    "html": (httpx.Response(200, html="<p>wait</p>"), NoAnswer("unreadable: not JSON")),
    "no list": (httpx.Response(200, json={}), NoAnswer("unreadable: selectedCurrencies")),
    "no codes": (
        httpx.Response(200, json={"currencies": [None]}),
        NoAnswer("unreadable: code"),
    ),
}


@pytest.mark.parametrize(("reply", "expected"), NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_without_an_answer_there_are_no_coins(
    network: respx.Router, provider: NowPayments, reply: httpx.Response, expected: NoAnswer
) -> None:
    """Rather than all that are pinned: some may be switched off."""
    answers(network, BTC)
    network.get("/merchant/coins").mock(return_value=reply)

    assert expected == await provider.coins()


async def test_the_last_coins_stand_in_while_the_provider_is_away(
    network: respx.Router, client: NowPaymentsClient
) -> None:
    """Five minutes later it is asked again, and a failure takes nothing back."""
    now_ns = [0]
    catalogue = Catalogue(client, now_ns=lambda: now_ns[0])
    selected, _ = answers(network, BTC)
    first = await catalogue.coins()

    selected.mock(return_value=httpx.Response(503))
    now_ns[0] += 300 * 1_000_000_000

    assert first == await catalogue.coins()
    assert 1 + 3 == selected.call_count


async def test_a_difference_is_logged_once_and_shown(
    network: respx.Router, provider: NowPayments
) -> None:
    """Withheld until it is gone; whoever raises alerts asks for it."""
    answers(network, BTC | {"network": "x"}, DAI)

    with capture_logs() as logs:
        await provider.coins()
        await provider.catalogue._ask()

    assert {"BTC": ("network",)} == provider.withheld
    assert ["nowpayments.coin_differs"] == [line["event"] for line in logs]
    assert ("BTC", ("network",)) == (logs[0]["coin"], logs[0]["fields"])


async def test_a_coin_is_known_also_when_it_is_not_offered(
    network: respx.Router, provider: NowPayments
) -> None:
    """Money may still arrive in it: as last read, or as pinned before anything was read."""
    assert Coin("DAI", "ethereum", 18) == provider.known_coin("dai")
    assert Coin("XRP", "xrp", 6, has_memo=True) == provider.known_coin("XRP")

    answers(network, BTC, DAI | {"enable": False})
    coins = await provider.coins()

    assert not isinstance(coins, NoAnswer)
    assert ["BTC"] == list(coins)
    assert Coin("DAI", "ethereum", 8) == provider.known_coin("DAI")
    assert None is provider.known_coin("USDT")


async def test_a_difference_that_is_gone_is_no_longer_shown(
    network: respx.Router, provider: NowPayments
) -> None:
    """And the coin is offered again."""
    answers(network, BTC | {"network": "x"})
    await provider.catalogue._ask()
    answers(network, BTC)
    await provider.catalogue._ask()

    assert {} == provider.withheld


def test_a_row_that_cannot_be_read_hides_no_other() -> None:
    """The list is long, and most of it is not ours."""
    rows = ({"code": None}, without(BTC, "code"), DAI | {"smart_contract": {}}, BTC)

    assert ["BTC"] == [record.code for record in records(*rows)]
