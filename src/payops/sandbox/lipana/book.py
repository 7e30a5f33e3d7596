"""The rail's own book: its float, its payouts, and the money that phones received.

Amounts are whole shillings. Money is received in ``Book.pay`` and nowhere else, once per payout.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from random import Random

from payops.sandbox.lipana.outcomes import Script


class Status(StrEnum):
    """The rail's word for how far a payout is."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Order:
    """What a merchant asked for. Without a ``transaction_id`` every request is a new payout."""

    phone: str
    amount_kes: int
    transaction_id: str | None = None
    user_id: str | None = None
    callback_url: str | None = None


@dataclass(slots=True, eq=False)
class Payout:
    """One accepted order."""

    id: str
    order: Order
    script: Script
    created_at: datetime
    updated_at: datetime
    receipt: str  #: what M-Pesa calls this payment, if it comes to that
    status: Status = Status.PENDING
    received_kes: int = 0
    failure: str | None = None
    lookups: int = 0  #: how often the merchant asked about it by id
    #: The status of each answer to a callback, None where no readable one came.
    callback_answers: list[int | None] = field(default_factory=list)

    @property
    def reference(self) -> str:
        """What the rail calls it in callbacks: the merchant's id if there is one."""
        return self.order.transaction_id or self.id

    @property
    def is_final(self) -> bool:
        return self.status in {Status.SUCCESS, Status.FAILED}


class BookError(Exception):
    """Base of what the book refuses; nothing was written."""


class FloatTooLow(BookError):
    """The account cannot cover the amount."""


class OtherOrder(BookError):
    """The transaction id is taken by an order for another phone or amount."""


class AlreadyFinal(BookError):
    """The payout has its final state."""


class Book:
    """All that happened since the last reset."""

    def __init__(self, float_kes: int, names: "Names") -> None:
        self.float_kes = float_kes
        self.available_kes = float_kes
        self.reserved_kes = 0
        self.received_by_phone: Counter[str] = Counter()
        self.requests_by_transaction: Counter[str] = Counter()
        self.callbacks_answered: Counter[int | None] = Counter()
        self._payouts: list[Payout] = []
        self._by_id: dict[str, Payout] = {}
        self._names = names

    def accept(self, order: Order, script: Script) -> Payout:
        """Book ``order`` and reserve its amount.

        Raises:
            FloatTooLow: nothing was booked.
        """
        if order.amount_kes > self.available_kes:
            raise FloatTooLow
        self.available_kes -= order.amount_kes
        self.reserved_kes += order.amount_kes
        now = _now()
        payout = Payout(
            id=self._names.payout_id(now),
            order=order,
            script=script,
            created_at=now,
            updated_at=now,
            receipt=self._names.receipt(now),
        )
        self._payouts.append(payout)
        self._by_id[payout.id] = payout
        if order.transaction_id is not None:
            self._by_id[order.transaction_id] = payout
        return payout

    def known(self, order: Order) -> Payout | None:
        """The payout that was booked under the transaction id of ``order``.

        Raises:
            OtherOrder: it was booked for another phone or amount.
        """
        payout = self.find(order.transaction_id) if order.transaction_id else None
        if payout is None:
            return None
        if (payout.order.phone, payout.order.amount_kes) != (order.phone, order.amount_kes):
            raise OtherOrder
        return payout

    def find(self, either_id: str) -> Payout | None:
        """By the rail's id or by the merchant's."""
        return self._by_id.get(either_id)

    def start(self, payout: Payout) -> None:
        """Note that the payout is on its way to M-Pesa."""
        if payout.status is Status.PENDING:
            self._move(payout, Status.PROCESSING)

    def pay(self, payout: Payout) -> None:
        """This is the moment at which the phone receives the money.

        Raises:
            AlreadyFinal: it was paid, or it failed.
        """
        if payout.is_final:
            raise AlreadyFinal
        amount = payout.order.amount_kes
        self.reserved_kes -= amount
        self.received_by_phone[payout.order.phone] += amount
        payout.received_kes = amount
        self._move(payout, Status.SUCCESS)

    def fail(self, payout: Payout, why: str) -> None:
        """End the payout without paying it; the float has its amount back.

        Raises:
            AlreadyFinal: it was paid, or it failed.
        """
        if payout.is_final:
            raise AlreadyFinal
        self.reserved_kes -= payout.order.amount_kes
        self.available_kes += payout.order.amount_kes
        payout.failure = why
        self._move(payout, Status.FAILED)

    def top_up(self, amount_kes: int) -> None:
        """Change the float by ``amount_kes``, which may be negative.

        Raises:
            FloatTooLow: more would be taken than is available.
        """
        if self.available_kes + amount_kes < 0:
            raise FloatTooLow
        self.float_kes += amount_kes
        self.available_kes += amount_kes

    def __len__(self) -> int:
        return len(self._payouts)

    @property
    def payouts(self) -> Sequence[Payout]:
        """All, oldest first."""
        return self._payouts

    def newest(self, *, page: int, limit: int) -> list[Payout]:
        """Page ``page``, counted from one, of ``limit`` payouts, newest first."""
        end = max(len(self._payouts) - (page - 1) * limit, 0)
        return self._payouts[max(end - limit, 0) : end][::-1]

    def violations(self) -> list[str]:
        """What does not add up; empty in a sound book."""
        received = sum(payout.received_kes for payout in self._payouts)
        reserved = sum(p.order.amount_kes for p in self._payouts if not p.is_final)
        claims = {
            "float = available + reserved + received": self.float_kes
            == self.available_kes + self.reserved_kes + received,
            "reserved = the amounts on their way": self.reserved_kes == reserved,
            "by phone = by payout": self.received_by_phone.total() == received,
            "nothing is negative": min(self.available_kes, self.reserved_kes) >= 0,
            "paid in full or not at all": all(_is_whole(payout) for payout in self._payouts),
        }
        return [claim for claim, holds in claims.items() if not holds]

    def _move(self, payout: Payout, status: Status) -> None:
        payout.status = status
        payout.updated_at = _now()


class Names:
    """Ids and receipts in the shapes seen in the wild.

    Not reproducible, on purpose: a sandbox that starts again or is reset must not give out names
    that the product has on record for other withdrawals. So both depend on the time, too.
    """

    _DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    _RECEIPTS = 36**7
    _STRIDE = 41_968_503_713  # shares no factor with 36: every receipt comes once before any twice

    def __init__(self, seed: int) -> None:
        chance = Random(seed)
        self._machine = chance.randbytes(5).hex()
        self._count = time.time_ns() % 0x1000000
        self._receipt = (chance.randrange(self._RECEIPTS) + time.time_ns()) % self._RECEIPTS

    def payout_id(self, now: datetime) -> str:
        """24 hexadecimal digits: second, machine, count."""
        self._count = (self._count + 1) % 0x1000000
        return f"{int(now.timestamp()):08x}{self._machine}{self._count:06x}"

    def receipt(self, now: datetime) -> str:
        """Ten capitals and digits, the first three for year, month and day as in M-Pesa's."""
        self._receipt = (self._receipt + self._STRIDE) % self._RECEIPTS
        rest, tail = self._receipt, ""
        for _ in range(7):
            rest, digit = divmod(rest, 36)
            tail += self._DIGITS[digit]
        year = chr(ord("A") + (now.year - 2006) % 26)
        return f"{year}{chr(ord('A') + now.month - 1)}{self._DIGITS[now.day]}{tail}"


def _is_whole(payout: Payout) -> bool:
    paid = payout.status is Status.SUCCESS
    return payout.received_kes == (payout.order.amount_kes if paid else 0)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
