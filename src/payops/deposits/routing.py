"""Which provider an invoice goes to: the one asked for, or the first that can take it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from payops.deposits.domain.invoices import Checkout
from payops.deposits.errors import (
    AmountBelowMinimum,
    DepositsHalted,
    ProviderUnavailable,
    UnknownProvider,
    UnsupportedCurrency,
)
from payops.deposits.ports import Coin, CryptoProvider, NoAnswer
from payops.kernel.breaker import Breaker, Circuit
from payops.kernel.errors import PayopsError
from payops.kernel.money import Money


@dataclass(frozen=True, slots=True)
class Registered:
    """A provider, and the breaker that stops asking it while it does not answer."""

    provider: CryptoProvider
    breaker: Breaker

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def is_healthy(self) -> bool:
        return self.breaker.circuit is Circuit.CLOSED or self.breaker.seconds_until_trial == 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an invoice needs. ``coin`` in any case; ``None`` leaves it to the hosted page."""

    coin: str | None
    checkout: Checkout
    provider: str | None


@dataclass(frozen=True, slots=True)
class Route:
    provider: CryptoProvider
    coin: Coin | None


class Registry:
    """The providers that are configured, in the order in which they are preferred."""

    def __init__(self, providers: Sequence[Registered]) -> None:
        self._providers = {one.name: one for one in providers}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._providers)

    def get(self, name: str) -> Registered:
        """Raises ``UnknownProvider``."""
        try:
            return self._providers[name]
        except KeyError:
            raise UnknownProvider from None

    def known_coin(self, provider: str, code: str) -> Coin | None:
        """A coin as it was when the provider's coins were last read; asks nobody."""
        registered = self._providers.get(provider)
        return registered.provider.known_coin(code) if registered else None

    async def currencies(self) -> dict[str, list[str]]:
        """The coins each provider can be paid in now; none for one that was never reached."""
        found: dict[str, list[str]] = {}
        for name, one in self._providers.items():
            coins = await one.provider.coins()
            found[name] = [] if isinstance(coins, NoAnswer) else sorted(coins)
        return found

    async def choose(self, wanted: Wanted, charged: Money, halted: Collection[str]) -> Route:
        """The provider to ask, and its coin.

        Among several the first in order that is not halted, answers, and whose minimum the
        amount reaches.

        Raises:
            UnknownProvider: the one asked for is not configured.
            UnsupportedCurrency: nobody who may be asked sells that coin or that checkout.
            AmountBelowMinimum: somebody does, and wants more.
            DepositsHalted: whoever does is halted.
            ProviderUnavailable: whoever does cannot be reached.
        """
        candidates = [self.get(wanted.provider)] if wanted.provider else self._providers.values()
        best: PayopsError = UnsupportedCurrency()
        for one in candidates:
            found = await _route(one, wanted, charged, halted)
            if isinstance(found, Route):
                return found
            best = _more_telling(best, found)
        raise best


async def _route(
    one: Registered, wanted: Wanted, charged: Money, halted: Collection[str]
) -> Route | PayopsError:
    provider = one.provider
    if wanted.checkout not in provider.checkouts:
        return UnsupportedCurrency()
    if one.name in halted:
        return DepositsHalted()
    coin = None
    if wanted.coin is not None:
        coins = await provider.coins()
        if isinstance(coins, NoAnswer):
            return ProviderUnavailable(retry_after_seconds=30)
        coin = _named(coins, wanted.coin)
        if coin is None:
            return UnsupportedCurrency()
    if not one.is_healthy:
        return ProviderUnavailable(retry_after_seconds=max(1, one.breaker.seconds_until_trial))
    if coin is not None:
        least = await provider.minimum(coin, wanted.checkout)
        # Without an answer the provider itself will say so when it is asked for the invoice.
        if isinstance(least, Money) and charged.minor < least.minor:
            return AmountBelowMinimum(
                f"With {coin.code} the least is {least.currency.code} {least.text}."
            )
    return Route(provider, coin)


def _named(coins: Mapping[str, Coin], code: str) -> Coin | None:
    return coins.get(code.strip().upper())


# What tells the caller most about what to do next wins.
_TELLING = (
    UnsupportedCurrency,
    DepositsHalted,
    ProviderUnavailable,
    AmountBelowMinimum,
)


def _more_telling(one: PayopsError, other: PayopsError) -> PayopsError:
    return max(one, other, key=lambda error: _TELLING.index(type(error)))
