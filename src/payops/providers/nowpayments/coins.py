"""Which coins may be paid with: a list of our own, as long as the provider's record agrees.

A code's network and contract decide where money goes. Public shops have shown some of these
codes under the wrong network, so what each means is written down here and compared with the
provider's live record; a coin whose record differs is not offered. Bare ``usdt`` is missing
because nobody says which network it is on.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import structlog

from payops.deposits.ports import Coin, NoAnswer
from payops.providers.nowpayments.client import NowPaymentsClient, Unanswered
from payops.providers.nowpayments.remembering import Memory
from payops.providers.nowpayments.wire import CoinRecord
from payops.providers.reading import NotUnderstood

COINS_SECONDS: Final = 300
RETRY_SECONDS: Final = 15  # after a failure, until the provider is asked again

log = structlog.get_logger(__name__)

# The provider's words for networks; any word it may use for one means that one only.
_NETWORKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BTC": "bitcoin",
        "LTC": "litecoin",
        "DOGE": "dogecoin",
        "BCH": "bitcoin-cash",
        "ETH": "ethereum",
        "BSC": "bsc",
        "MATIC": "polygon",
        "POL": "polygon",
        "POLYGON": "polygon",
        "ARBITRUM": "arbitrum",
        "ARB": "arbitrum",
        "BASE": "base",
        "OP": "optimism",
        "OPTIMISM": "optimism",
        "AVAXC": "avalanche-c",
        "CCHAIN": "avalanche-c",
        "TRX": "tron",
        "SOL": "solana",
        "XRP": "xrp",
        "XLM": "stellar",
        "TON": "ton",
    }
)


@dataclass(frozen=True, slots=True)
class Pin:
    """What a code means. ``contract`` is ``None`` for a network's own coin."""

    network: str
    decimals: int  # on chain
    contract: str | None = None
    needs_memo: bool = False


PINS: Final[Mapping[str, Pin]] = MappingProxyType(
    {
        "BTC": Pin("bitcoin", 8),
        "LTC": Pin("litecoin", 8),
        "DOGE": Pin("dogecoin", 8),
        "BCH": Pin("bitcoin-cash", 8),
        "TRX": Pin("tron", 6),
        "SOL": Pin("solana", 9),
        "TON": Pin("ton", 9),
        "XRP": Pin("xrp", 6, needs_memo=True),
        "XLM": Pin("stellar", 7, needs_memo=True),
        "ETH": Pin("ethereum", 18),
        "ETHARB": Pin("arbitrum", 18),
        "ETHBASE": Pin("base", 18),
        "ETHOP": Pin("optimism", 18),
        "BNBBSC": Pin("bsc", 18),
        "MATICMAINNET": Pin("polygon", 18),
        "DAI": Pin("ethereum", 18, "0x6B175474E89094C44Da98b954EedeAC495271d0F"),
        "USDC": Pin("ethereum", 6, "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"),
        "USDCBSC": Pin("bsc", 18, "0x8AC76a51cc950d9822D68b83fE1Ad97B32Cd580d"),
        # On these four there is an older, bridged coin of the same name: not this one.
        "USDCMATIC": Pin("polygon", 6, "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"),
        "USDCARB": Pin("arbitrum", 6, "0xaf88d065e77c8cC2239327C5EDb3A432268e5831"),
        "USDCOP": Pin("optimism", 6, "0x0b2C639c533813f4Aa9D7837CAf62653d097Ff85"),
        "USDCBASE": Pin("base", 6, "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
        # ARC20 is Avalanche's C-chain, however much it looks like Arbitrum.
        "USDCARC20": Pin("avalanche-c", 6, "0xB97EF9Ef8734C71904D8002F8b6Bc66Dd9c48a6E"),
        "USDCSOL": Pin("solana", 6, "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"),
        "USDTERC20": Pin("ethereum", 6, "0xdAC17F958D2ee523a2206206994597C13D831ec7"),
        "USDTTRC20": Pin("tron", 6, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"),
        "USDTBSC": Pin("bsc", 18, "0x55d398326f99059fF775485246999027B3197955"),
        "USDTMATIC": Pin("polygon", 6, "0xc2132D05D31c914a87C6611C10748AEb04B58e8F"),
        "USDTARB": Pin("arbitrum", 6, "0xFd086bC7CD5C481DCC9C85ebE478A1C0b69FCbb9"),
        "USDTOP": Pin("optimism", 6, "0x94b008aA00579c1307B0EF2c499aD98a8ce58e58"),
        "USDTARC20": Pin("avalanche-c", 6, "0x9702230A8Ea53601f5cD2dc00fDBc13d4dF4A8c7"),
        "USDTSOL": Pin("solana", 6, "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB"),
        "USDTTON": Pin("ton", 6, "EQCxE6mUtQJKFnGfaROTKOt1lZbDiiX1kCixRv7Nw2Id_sDs"),
    }
)


# Of these there is one: no token of another network goes by the name, so the network need not
# be stated. (There have been tokens called TON, and ETH is a coin of four networks here.)
_ON_ONE_NETWORK: Final = frozenset({"BTC", "LTC", "DOGE", "BCH", "XRP", "XLM", "TRX", "SOL"})

# Where the tokens were first issued: no bridged one goes by the same code.
_WITHOUT_BRIDGED: Final = frozenset({"ethereum", "tron"})


def network_of(word: str) -> str:
    """Our name for the provider's word; a word we do not know stays, and matches nothing."""
    return _NETWORKS.get(word.upper(), word.lower())


def differences(pin: Pin, record: CoinRecord) -> tuple[str, ...]:
    """The fields in which the provider's record is not what was pinned.

    The network must be stated, unless there is only one it could be. So must a token's
    contract where an older, bridged one bears the same name; on a network that is stated and
    has no such namesake, silence about it contradicts nothing. Memos are what the provider
    says they are, except that a pinned one cannot go.
    """
    found = {
        "network": not _is_same_network(pin, record),
        "smart_contract": not _is_same_contract(pin, record.contract),
        "network_precision": record.network_precision not in {None, pin.decimals},
        "extra_id_exists": pin.needs_memo and not record.needs_memo,
    }
    return tuple(name for name, differs in found.items() if differs)


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be paid with, and what cannot because its record differs from its pin."""

    coins: Mapping[str, Coin]
    known: Mapping[str, Coin]  # also those that are switched off, or not chosen
    differing: Mapping[str, tuple[str, ...]]  # the fields that differ


def offer_of(selected: AbstractSet[str], records: Iterable[CoinRecord]) -> Offer:
    """Pinned, chosen in the merchant's account, enabled, and available for payments.

    A code that is listed twice is offered only if both rows would be.
    """
    rows: dict[str, list[CoinRecord]] = defaultdict(list)
    for record in records:
        if record.code in PINS:
            rows[record.code].append(record)
    coins: dict[str, Coin] = {}
    known: dict[str, Coin] = {}
    differing: dict[str, tuple[str, ...]] = {}
    for code, found in rows.items():
        fields = {name: None for record in found for name in differences(PINS[code], record)}
        if fields:
            differing[code] = tuple(fields)
            continue
        known[code] = _coin(code, found)
        if code in selected and all(_is_on(record) for record in found):
            coins[code] = known[code]
    return Offer(coins, known, differing)


class Catalogue:
    """What can be paid with now. Asked for every few minutes, whoever many want to know."""

    def __init__(
        self, client: NowPaymentsClient, *, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._client = client
        self._memory: Memory[Offer] = Memory(
            seconds=COINS_SECONDS,
            seconds_after_failure=RETRY_SECONDS,
            keeps_last=True,
            now_ns=now_ns,
        )
        self._differing: Mapping[str, tuple[str, ...]] = MappingProxyType({})
        self._known: Mapping[str, Coin] = MappingProxyType({})

    @property
    def differing(self) -> Mapping[str, tuple[str, ...]]:
        """Coins whose record differs from its pin, with the fields, as last read."""
        return self._differing

    def known(self, code: str) -> Coin | None:
        """A pinned coin as it was last read, or else as it is pinned. Asks nobody."""
        name = code.upper()
        return self._known.get(name) or (_coin(name, ()) if name in PINS else None)

    async def coins(self) -> Mapping[str, Coin] | NoAnswer:
        """By code; the last that was known while the provider is away."""
        offer = await self._memory.get("coins", self._ask)
        return offer if isinstance(offer, NoAnswer) else offer.coins

    async def _ask(self) -> Offer | NoAnswer:
        try:
            selected = await self._client.merchant_coins()
            offer = offer_of(selected, await self._client.full_currencies())
        except Unanswered as error:
            log.warning("nowpayments.coins_unanswered", why=str(error))
            return NoAnswer(str(error), is_outage=error.is_outage)
        except NotUnderstood as error:
            log.warning("nowpayments.coins_unanswered", why=f"unreadable: {error}")
            return NoAnswer(f"unreadable: {error}")
        self._known = offer.known
        self._tell(offer.differing)
        return offer

    def _tell(self, differing: Mapping[str, tuple[str, ...]]) -> None:
        """Log what differs, once, and again only when it changes."""
        for code, fields in differing.items():
            if self._differing.get(code) != fields:
                log.warning("nowpayments.coin_differs", coin=code, fields=fields)
        self._differing = MappingProxyType(dict(differing))


def _coin(code: str, records: Iterable[CoinRecord]) -> Coin:
    """The fewest decimals of those stated: an amount with more could not be sent."""
    pin, rows = PINS[code], tuple(records)
    stated = [count for row in rows for count in (row.precision, row.network_precision)]
    return Coin(
        code=code,
        network=pin.network,
        decimals=min([pin.decimals, *(count for count in stated if count is not None)]),
        has_memo=pin.needs_memo or any(row.needs_memo for row in rows),
    )


def _is_on(record: CoinRecord) -> bool:
    """Enabled, and not said to be unavailable: an older form of the list does not say."""
    return bool(record.is_enabled) and record.is_payable is not False


def _is_same_network(pin: Pin, record: CoinRecord) -> bool:
    if record.network is None:
        return record.code in _ON_ONE_NETWORK
    return network_of(record.network) == pin.network


def _is_same_contract(pin: Pin, contract: str | None) -> bool:
    if contract is None:
        return pin.contract is None or pin.network in _WITHOUT_BRIDGED
    if pin.contract is None:
        return False  # a network's own coin has none
    if pin.contract.startswith("0x"):  # upper and lower case are only a checksum there
        return pin.contract.lower() == contract.lower()
    return pin.contract == contract
