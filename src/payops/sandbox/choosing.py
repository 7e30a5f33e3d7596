"""Which script a crypto payment plays: the one asked for by name, else the one its price names.

A price of exactly USD 99.NN names script NN. Everything else plays without trouble, because a
deposit priced in shillings comes to any number of cents: only one price in a hundred dollars is
taken from ordinary use, and the sum is an unusual one.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from payops.sandbox.asking import checked, content_of, text, whole
from payops.sandbox.guard import Endpoint
from payops.sandbox.replies import answer

QUEUE_MAX = 1_000
_DOLLARS = Decimal(99)


class Named(Protocol):
    """A script of either kind."""

    @property
    def name(self) -> str: ...


Script = TypeVar("Script", bound=Named)


class Choosing(Generic[Script]):
    """Chooses from ``scripts``, which are listed by two digits; "01" is the one without trouble."""

    def __init__(self, scripts: Mapping[str, Script], *, by_price: bool = True) -> None:
        self._scripts = scripts
        self._by_price = by_price
        self._next: deque[Script] = deque()

    def named(self, key_or_name: str) -> Script:
        """Raises KeyError for what is neither a key nor a name."""
        found = self._scripts.get(key_or_name)
        return found or {script.name: script for script in self._scripts.values()}[key_or_name]

    def ask_for(self, script: Script, *, count: int = 1) -> None:
        """``script`` is for the next ``count`` that are asked, after those waiting already."""
        if len(self._next) + count > QUEUE_MAX:
            raise ValueError(f"more than {QUEUE_MAX} scripts are waiting")
        self._next.extend([script] * count)

    @property
    def waiting(self) -> Iterable[Script]:
        return tuple(self._next)

    def clear(self) -> None:
        self._next.clear()

    def take(self, price: Decimal | None, currency: str) -> Script:
        """For a new payment of ``price``; None is one that the payer decides."""
        if self._next:
            return self._next.popleft()
        key = key_of(price, currency) if self._by_price else None
        return self._scripts.get(key or "01", self._scripts["01"])


class ScriptControls(Generic[Script]):
    """``/script``: which script the next payments play."""

    def __init__(self, choosing: Choosing[Script]) -> None:
        self._choosing = choosing

    def routes(self) -> list[Route]:
        return [
            Route("/script", self._checked(self._show), methods=["GET"]),
            Route("/script", self._checked(self._ask_for), methods=["POST"]),
            Route("/script", self._checked(self._clear), methods=["DELETE"]),
        ]

    def _checked(self, endpoint: Endpoint) -> Endpoint:
        return checked(endpoint, missing="no such script", conflicts={})

    async def _show(self, _request: Request) -> Response:
        return answer(200, [script.name for script in self._choosing.waiting])

    async def _ask_for(self, request: Request) -> Response:
        """``script`` is a number or a name, ``count`` for how many payments."""
        content = await content_of(request)
        script = self._choosing.named(text(content, "script") or "")
        self._choosing.ask_for(script, count=whole(content, "count", default=1, lowest=1) or 1)
        return await self._show(request)

    async def _clear(self, request: Request) -> Response:
        self._choosing.clear()
        return await self._show(request)


def key_of(price: Decimal | None, currency: str) -> str | None:
    """``NN`` of USD 99.NN; None for any other price."""
    if price is None or currency.lower() != "usd" or not _DOLLARS <= price < _DOLLARS + 1:
        return None
    cents = (price - _DOLLARS) * 100
    return f"{int(cents):02d}" if cents == cents.to_integral_value() else None


def price_of(key: str) -> Decimal:
    """The price that plays script ``key``."""
    return Decimal(f"{_DOLLARS}.{key}")


def table_of(rows: Iterable[tuple[str, str, str, str]], *, last: str) -> str:
    """Scripts as a Markdown table: key, name, what happens, and what the ``last`` column says."""
    lines = [f"| {price_of(key)} | {name} | {what} | {end} |" for key, name, what, end in rows]
    return "\n".join([f"| USD | script | what happens | {last} |", "|---:|---|---|---|", *lines])
