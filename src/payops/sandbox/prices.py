"""What things cost in this small world: fixed prices in US dollars, by lower-case code."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

#: Of one unit. Made up, and near enough to the truth to look at.
COINS_USD: Mapping[str, Decimal] = MappingProxyType(
    {
        name: Decimal(price)
        for name, price in {
            "btc": "64000",
            "eth": "3200",
            "usdt": "1",
            "usdc": "1",
            "dai": "1",
            "ltc": "80",
            "doge": "0.16",
            "trx": "0.125",
            "sol": "160",
            "bnb": "640",
            "pol": "0.4",
            "xrp": "0.64",
            "xlm": "0.128",
        }.items()
    }
)

#: What a price may be named in, and what a unit of it is worth.
FIAT_USD: Mapping[str, Decimal] = MappingProxyType(
    {
        name: Decimal(price)
        for name, price in {
            "usd": "1",
            "eur": "1.25",
            "gbp": "1.3",
            "cad": "0.75",
            "aud": "0.65",
            "ils": "0.25",
            "ron": "0.2",
        }.items()
    }
)
