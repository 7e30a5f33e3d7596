"""The networks whose addresses we can check, and the coins that live on them.

A coin's code names its network, because an address often does not: the same ``0x…`` exists on
every network of Ethereum's kind, and money sent on another one than was meant is lost.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias

from payops.deposits.addresses import accounts, base58check, cashaddr, evm, segwit
from payops.deposits.addresses.verdicts import Flaw, Verdict

CHARACTERS_MAX: Final = 128

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)

_Check: TypeAlias = Callable[[str], Flaw | None]


def validate(network: str | None, address: str) -> Verdict:
    """Whether ``address`` can be paid to on ``network``; never raises, whatever the text.

    Nothing is trimmed or repaired: what passes here is what will be shown and paid to.
    """
    check = _CHECKS.get(network or "")
    if check is None:
        return Verdict(is_valid=False, network=None, reason=Flaw.NETWORK_UNKNOWN)
    reason = _flaw(check, address)
    return Verdict(is_valid=reason is None, network=network, reason=reason)


def for_currency(code: str) -> str | None:
    """The network of the coin ``code``, in either case; ``None`` for a coin we do not know.

    Codes that leave the network open, such as a bare ``USDT``, are not known on purpose.
    """
    return _NETWORK_OF_CODE.get(code.upper())


def _flaw(check: _Check, address: str) -> Flaw | None:
    if not 0 < len(address) <= CHARACTERS_MAX:
        return Flaw.LENGTH
    return check(address) if _VISIBLE.fullmatch(address) else Flaw.ALPHABET


def _like_bitcoin(
    address: str, *, segwit_prefix: str, leading: str, versions: bytes
) -> Flaw | None:
    if address.startswith(tuple(leading)):
        return base58check.flaw(address, leading=leading, versions=versions)
    return segwit.flaw(address, segwit_prefix)


# Litecoin's oldest script addresses, `3…`, are Bitcoin's as well. They are refused: nobody can
# tell which was meant, and every wallet writes `M…` today. XRP's `X…`, which hold a memo of their
# own, are refused as Stellar's `M…` are.
_CHECKS: Final[Mapping[str, _Check]] = MappingProxyType(
    {
        "bitcoin": partial(_like_bitcoin, segwit_prefix="bc", leading="13", versions=b"\x00\x05"),
        "litecoin": partial(_like_bitcoin, segwit_prefix="ltc", leading="LM", versions=b"\x30\x32"),
        "dogecoin": partial(base58check.flaw, leading="DA9", versions=b"\x1e\x16"),
        "bitcoin-cash": cashaddr.flaw,
        **dict.fromkeys(evm.NETWORKS, evm.flaw),
        "tron": partial(base58check.flaw, leading="T", versions=b"\x41"),
        "xrp": partial(base58check.flaw, leading="r", versions=b"\x00", alphabet=base58check.XRP),
        "solana": accounts.solana_flaw,
        "stellar": accounts.stellar_flaw,
        "ton": accounts.ton_flaw,
    }
)

NETWORKS: Final = frozenset(_CHECKS)

_CODES_OF_NETWORK: Final = {
    "bitcoin": "BTC",
    "litecoin": "LTC",
    "dogecoin": "DOGE",
    "bitcoin-cash": "BCH",
    "ethereum": "ETH USDC USDTERC20 DAI MATIC",
    "bsc": "BNBBSC ETHBSC USDCBSC USDTBSC",
    "polygon": "MATICMAINNET USDCMATIC USDTMATIC",
    "arbitrum": "ETHARB USDCARB USDTARB",
    "base": "ETHBASE USDCBASE",
    "optimism": "ETHOP USDCOP USDTOP",
    "avalanche-c": "USDCARC20 USDTARC20",
    "tron": "TRX USDTTRC20",
    "xrp": "XRP",
    "solana": "SOL USDCSOL USDTSOL",
    "stellar": "XLM",
    "ton": "TON USDTTON",
}

_NETWORK_OF_CODE: Final[Mapping[str, str]] = MappingProxyType(
    {code: network for network, codes in _CODES_OF_NETWORK.items() for code in codes.split()}
)
