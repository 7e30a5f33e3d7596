"""A day in Nairobi, and what it came to as rows of a table."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, TypeAlias

from payops.deposits.domain import invoices
from payops.deposits.service import reporting as deposit_figures
from payops.fraud.domain.rules import NAIROBI
from payops.kernel.money import CURRENCIES, KES, Money
from payops.ledger.service.telling import Moved
from payops.withdrawals import domain as withdrawals
from payops.withdrawals.service import reporting as payout_figures

Cell: TypeAlias = str | int
Row: TypeAlias = tuple[Cell, ...]

# Every row has the same columns, so that a program can read the file as well.
HEADER: Final[Row] = (
    *("section", "provider", "currency", "item", "count", "amount", "value"),
    *("id", "user", "at", "note"),
)
_TENTH: Final = Decimal("0.1")


# Nothing was ever paid before; and ids, which are read by time, begin in 1970.
FIRST_DATE: Final = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day in Nairobi."""

    date: date

    @property
    def since(self) -> datetime:
        return datetime.combine(self.date, time(), NAIROBI)

    @property
    def until(self) -> datetime:
        """The first moment that is not in it."""
        return self.since + timedelta(days=1)

    @classmethod
    def before(cls, moment: datetime) -> "Day":
        """The last day that was over at ``moment``."""
        return cls(moment.astimezone(NAIROBI).date() - timedelta(days=1))

    def __str__(self) -> str:
        return self.date.isoformat()


@dataclass(frozen=True, slots=True)
class Daily:
    """The figures of a day, as they stand at ``made_at``; exceptions are listed apart.

    A payout belongs to the day it was accepted on and a deposit to the day its invoice was
    opened on, whenever they are paid. ``moved`` is what was posted on the day.
    """

    day: Day
    made_at: datetime
    payouts: Sequence[payout_figures.Count]
    payout_times: Sequence[payout_figures.Timing]
    deposits: Sequence[deposit_figures.Count]
    deposit_times: Sequence[deposit_figures.Timing]
    moved: Sequence[Moved]

    def rows(self) -> Iterator[Row]:
        """The figures as rows under ``HEADER``."""
        yield from self._payout_rows()
        yield from self._deposit_rows()
        for one in self.moved:
            money = Money(one.amount, CURRENCIES[one.currency])
            yield _row(
                "ledger", "", one.currency, one.account, count=one.entries, amount=money.text
            )

    def _payout_rows(self) -> Iterator[Row]:
        by_rail: dict[str, dict[str, int]] = defaultdict(dict)
        for one in self.payouts:
            by_rail[one.rail][one.state] = one.count
            text = Money(one.amount, KES).text
            yield _row("payouts", one.rail, KES.code, one.state, count=one.count, amount=text)
        for rail, states in by_rail.items():
            rate = percent(states.get("completed", 0), states.get("failed", 0))
            if rate:
                yield _row("payouts", rail, KES.code, "success rate, percent", value=rate)
        for timing in self.payout_times:
            if timing.rail is not None:
                yield from _times("payouts", timing.rail, "paid", timing.p50, timing.p95)

    def _deposit_rows(self) -> Iterator[Row]:
        by_provider: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for one in self.deposits:
            currency = CURRENCIES[one.currency]
            by_provider[one.provider][one.state] += one.count
            price, credited = Money(one.price, currency), Money(one.credited, currency)
            yield _row(
                "deposits",
                one.provider,
                one.currency,
                one.state,
                count=one.count,
                amount=price.text,
            )
            if one.credited:
                item = f"{one.state}, credited"
                yield _row(
                    "deposits",
                    one.provider,
                    one.currency,
                    item,
                    count=one.count,
                    amount=credited.text,
                )
        for provider, states in by_provider.items():
            settled = states["finished"] + states["partially_paid"]
            rate = percent(settled, states["failed"] + states["expired"])
            if rate:
                yield _row("deposits", provider, "", "success rate, percent", value=rate)
        for timing in self.deposit_times:
            if timing.provider is not None:
                yield from _times("deposits", timing.provider, "settled", timing.p50, timing.p95)


def of_payout(one: payout_figures.Exceptional) -> Row:
    note = " ".join(filter(None, (one.failure_code, one.provider_code)))
    return _row(
        "payout exception",
        one.rail,
        KES.code,
        one.state,
        amount=Money(one.amount, KES).text,
        id=withdrawals.show(one.id),
        user=one.user_id,
        at=_local(one.created_at),
        note=note,
    )


def of_deposit(one: deposit_figures.Exceptional) -> Row:
    currency = CURRENCIES[one.currency]
    credited = f"credited {Money(one.credited, currency)}" if one.credited else ""
    return _row(
        "deposit exception",
        one.provider,
        one.currency,
        one.state,
        amount=Money(one.price, currency).text,
        id=invoices.show(one.id),
        user=one.user_id,
        at=_local(one.created_at),
        note=", ".join(filter(None, (credited, *one.reasons))),
    )


def percent(good: int, bad: int) -> str:
    """``98.5``; empty where there is nothing to divide."""
    if not good + bad:
        return ""
    return str((Decimal(100 * good) / (good + bad)).quantize(_TENTH, ROUND_HALF_UP))


def _times(
    section: str, provider: str, what: str, p50: int | None, p95: int | None
) -> Iterator[Row]:
    for name, seconds in (("p50", p50), ("p95", p95)):
        if seconds is not None:
            yield _row(section, provider, "", f"seconds until {what}, {name}", value=str(seconds))


def _row(
    section: str,
    provider: str,
    currency: str,
    item: str,
    *,
    count: Cell = "",
    amount: str = "",
    value: str = "",
    id: str = "",
    user: str = "",
    at: str = "",
    note: str = "",
) -> Row:
    return section, provider, currency, item, count, amount, value, id, user, at, note


def _local(moment: datetime) -> str:
    return f"{moment.astimezone(NAIROBI):%Y-%m-%d %H:%M:%S}"
