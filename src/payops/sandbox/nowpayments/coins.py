"""What can be paid with here, as NOWPayments describes its coins."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from payops.sandbox import addresses
from payops.sandbox.prices import COINS_USD

_AMOUNT_DECIMALS_MAX = 8

_EVM = "^(0x)[0-9A-Fa-f]{40}$"
_TRON = "^T[1-9A-HJ-NP-Za-km-z]{33}$"
_SOLANA = "^[1-9A-HJ-NP-Za-km-z]{32,44}$"


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin on one network."""

    code: str  #: lower case; the provider's lists have it in upper case
    name: str
    ticker: str
    network: str
    decimals: int  #: of the coin on its network
    new_address: Callable[[], str]
    wallet_regex: str
    contract: str | None = None
    has_memo: bool = False

    @property
    def usd(self) -> Decimal:
        """What one is worth."""
        return COINS_USD[self.ticker]

    @property
    def amount_decimals(self) -> int:
        """How many decimals an amount to pay is given with."""
        return min(self.decimals, _AMOUNT_DECIMALS_MAX)


def _evm(
    code: str,
    name: str,
    ticker: str,
    network: str,
    *,
    contract: str | None = None,
    decimals: int = 18,
) -> Coin:
    return Coin(code, name, ticker, network, decimals, addresses.ethereum, _EVM, contract)


_ALL = (
    Coin(
        *("btc", "Bitcoin", "btc", "btc", 8, addresses.bitcoin),
        wallet_regex="^(bc1)[0-9A-Za-z]{39,59}$|^[13][1-9A-HJ-NP-Za-km-z]{25,34}$",
    ),
    _evm("eth", "Ethereum", "eth", "eth"),
    _evm(
        *("usdc", "USD Coin (Ethereum)", "usdc", "eth"),
        contract="0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
        decimals=6,
    ),
    _evm(
        *("usdterc20", "Tether USD (Ethereum)", "usdt", "eth"),
        contract="0xdAC17F958D2ee523a2206206994597C13D831ec7",
        decimals=6,
    ),
    Coin(
        *("usdttrc20", "Tether USD (Tron)", "usdt", "trx", 6, addresses.tron, _TRON),
        contract="TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
    ),
    _evm(
        *("dai", "Dai", "dai", "eth"),
        contract="0x6B175474E89094C44Da98b954EedeAC495271d0F",
    ),
    Coin(
        *("ltc", "Litecoin", "ltc", "ltc", 8, addresses.litecoin),
        wallet_regex="^(ltc1)[0-9A-Za-z]{39,59}$|^[LM3][1-9A-HJ-NP-Za-km-z]{26,33}$",
    ),
    Coin(
        *("doge", "Dogecoin", "doge", "doge", 8, addresses.dogecoin),
        wallet_regex="^(D|A|9)[1-9A-HJ-NP-Za-km-z]{33,34}$",
    ),
    Coin("trx", "Tron", "trx", "trx", 6, addresses.tron, _TRON),
    Coin("sol", "Solana", "sol", "sol", 9, addresses.solana, _SOLANA),
    _evm("bnbbsc", "BNB Smart Chain", "bnb", "bsc"),
    _evm("maticmainnet", "Polygon", "pol", "matic"),
    Coin(
        *("xrp", "Ripple", "xrp", "xrp", 6, addresses.ripple),
        wallet_regex="^r[1-9A-HJ-NP-Za-km-z]{25,34}$",
        has_memo=True,
    ),
    Coin(
        *("xlm", "Stellar", "xlm", "xlm", 7, addresses.stellar),
        wallet_regex="^G[A-D]{1}[A-Z2-7]{54}$",
        has_memo=True,
    ),
)

#: By code, in the order of the provider's lists.
COINS: Mapping[str, Coin] = MappingProxyType({coin.code: coin for coin in _ALL})
