"""A provider of deposits that does as it is told and keeps a book of what arrived.

Its book is the other side of ours: what it says arrived, did, and nothing else may be
credited. Notifications are signed with a plain digest: how real providers sign is tested
with their adapters.
"""

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from payops.deposits.domain.invoices import Checkout
from payops.deposits.domain.states import State
from payops.deposits.ports import (
    Arrival,
    Coin,
    Intent,
    NoAnswer,
    Notice,
    NotKnown,
    OpenAnswer,
    Opened,
    ReadAnswer,
    Snapshot,
)
from payops.kernel.money import USD, Money
from payops.webhooks.ports import Unreadable, WebhookSource

BTC = Coin("BTC", "bitcoin", 8)
ETH = Coin("ETH", "ethereum", 18)
XRP = Coin("XRP", "xrp", 6, has_memo=True)
ADDRESSES = {  # published test vectors
    "BTC": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
    "ETH": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "XRP": "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",
}
SECRET = b"made-up-secret-of-the-mint"
SIGNATURE = "x-mint-signature"
UNIT = Decimal("0.001")  # what a dollar costs in any coin


class MintNotifications:
    """Signed JSON: ``{"reference": …}`` and, if wanted, more of the payment."""

    name = "mint"

    def is_authentic(self, headers: Mapping[str, str], body: bytes) -> bool:
        expected = hmac.digest(SECRET, body, hashlib.sha256).hex()
        return hmac.compare_digest(expected, headers.get(SIGNATURE, ""))

    def read(self, path_reference: str | None, body: bytes) -> Notice:
        del path_reference
        try:
            content = json.loads(body)
            return Notice(content["reference"], _claimed(content))
        except (ValueError, KeyError, TypeError):
            raise Unreadable("no notice") from None


def _claimed(content: dict[str, Any]) -> Snapshot | None:
    if "status" not in content:
        return None
    amount = content.get("amount")
    arrivals = (
        (
            Arrival(
                content["reference"],
                content.get("coin", "BTC"),
                Decimal(amount),
                is_settled=False,
                fee_coin=content.get("feeCoin"),
                fee_amount=Decimal(content["fee"]) if "fee" in content else None,
            ),
        )
        if amount
        else ()
    )
    price = content.get("priceMinor")
    return Snapshot(
        reference=content["reference"],
        state=State(content["status"]) if content["status"] in set(State) else None,
        provider_status=content["status"],
        order_id=content.get("order"),
        parent_reference=content.get("parent"),
        hosted_reference=content.get("page"),
        price=Money(price, USD) if price is not None else None,
        coin=content.get("coin"),
        address=content.get("address"),
        memo=content.get("memo"),
        arrivals=arrivals,
    )


@dataclass(slots=True)
class Mint:
    """Opens a payment for each intent; a test moves it on with ``becomes`` and ``arrives``."""

    name: str = "mint"
    checkouts: frozenset[Checkout] = frozenset(Checkout)
    notifications: WebhookSource = field(default_factory=MintNotifications)
    book: dict[str, Snapshot] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    answers: deque[OpenAnswer] = field(default_factory=deque)  # instead of opening
    replies: deque[ReadAnswer] = field(default_factory=deque)  # instead of the book
    opened: int = 0
    offered: dict[str, Coin] = field(
        default_factory=lambda: {coin.code: coin for coin in (BTC, ETH, XRP)}
    )
    withheld: dict[str, tuple[str, ...]] = field(default_factory=dict)
    least: Money = field(default_factory=lambda: Money(100, USD))
    usd_per_coin: Decimal | None = Decimal(1000)  # None: it does not say
    quote_expires_at: datetime | None = None
    address: str | None = None  # instead of the coin's own
    before_answering: Callable[[Intent], Awaitable[OpenAnswer]] | None = None

    async def coins(self) -> Mapping[str, Coin] | NoAnswer:
        return self.offered

    def known_coin(self, code: str) -> Coin | None:
        return self.offered.get(code)

    async def minimum(self, coin: Coin, checkout: Checkout) -> Money | NoAnswer:
        del coin, checkout
        return self.least

    async def open(self, intent: Intent) -> OpenAnswer:
        self.intents.append(intent)
        if self.before_answering:
            return await self.before_answering(intent)
        if self.answers:
            return self.answers.popleft()
        return self.opens(intent)

    def opens(self, intent: Intent) -> Opened:
        """What it opens for ``intent``, in its book from now on; the answer may be lost."""
        reference = self.new_reference()
        if intent.checkout is Checkout.HOSTED:
            return Opened(
                f"page{len(self.intents)}",
                is_page=True,
                url=f"https://mint.test/{len(self.intents)}",
                price=intent.price,
                order_id=intent.order_id,
            )
        assert intent.coin is not None
        amount = Decimal(intent.price.minor) / 100 * UNIT
        self.book[reference] = Snapshot(
            reference=reference,
            state=State.WAITING,
            provider_status="waiting",
            order_id=intent.order_id,
            price=intent.price,
            coin=intent.coin.code,
            pay_amount=amount,
            address=self.address or ADDRESSES[intent.coin.code],
            memo="12345" if intent.coin.has_memo else None,
            quote_expires_at=self.quote_expires_at,
        )
        snapshot = self.book[reference]
        return Opened(
            reference,
            coin=snapshot.coin,
            pay_amount=amount,
            address=snapshot.address,
            memo=snapshot.memo,
            quote_expires_at=self.quote_expires_at,
            price=intent.price,
            order_id=intent.order_id,
        )

    def new_reference(self) -> str:
        """Never one it has used before, also when its book was lost meanwhile."""
        self.opened += 1
        return str(999 + self.opened)

    async def read(self, reference: str) -> ReadAnswer:
        self.reads.append(reference)
        if self.replies:
            return self.replies.popleft()
        return self.book.get(reference, NotKnown())

    async def usd_value(self, coin: str, amount: Decimal) -> Decimal | NoAnswer:
        del coin
        return NoAnswer("no rate") if self.usd_per_coin is None else amount * self.usd_per_coin

    # What a test makes happen

    def becomes(self, reference: str, state: State | None, word: str = "", **facts: Any) -> None:
        """The payment's state, and any other fact of it, from now on."""
        self.book[reference] = replace(
            self.book[reference],
            state=state,
            provider_status=word or (state or "odd"),
            **facts,
        )

    def arrives(self, reference: str, amount: str | Decimal, **facts: Any) -> None:
        """Money for the payment; it counts once the payment is settled."""
        known = self.book[reference]
        arrival = Arrival(
            facts.pop("id", reference),
            facts.pop("coin", known.coin or "BTC"),
            Decimal(amount),
            is_settled=facts.pop("is_settled", True),
            **facts,
        )
        others = tuple(a for a in known.arrivals if a.reference != arrival.reference)
        self.book[reference] = replace(known, arrivals=(*others, arrival))

    def has(self, snapshot: Snapshot) -> None:
        """One more payment in its book: a child, or one picked on a page."""
        self.book[snapshot.reference] = snapshot


def signed(content: object) -> tuple[dict[str, str], bytes]:
    """Headers and body of a notification."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {SIGNATURE: hmac.digest(SECRET, body, hashlib.sha256).hex()}, body
