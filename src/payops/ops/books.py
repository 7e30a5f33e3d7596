"""The books and the audit log over HTTP: what they say, and whether they are right."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field
from starlette.responses import Response

from payops.access.api import OfUser
from payops.audit import service as audit
from payops.audit.domain import Head, Verification
from payops.infra.db import Database
from payops.infra.web.replies import MoneyReply, answer
from payops.infra.web.wire import WireReply
from payops.kernel.errors import Fault, Invalid
from payops.kernel.moments import in_utc
from payops.kernel.money import CURRENCIES, Money
from payops.ledger import service as ledger
from payops.ops.access import READ, Auditor, Reader
from payops.ops.schemas import BooksReply
from payops.ops.service import Operations


class BalanceReply(WireReply):
    account: str = Field(description="One of the house's, or `wallet:available`, `wallet:held`")
    balance: MoneyReply


class BalancesReply(WireReply):
    data: list[BalanceReply]

    @classmethod
    def of(cls, balances: Sequence[tuple[str, Money]]) -> "BalancesReply":
        return cls(
            data=[
                BalanceReply(account=account, balance=MoneyReply.of(money))
                for account, money in balances
            ]
        )


class ChainReply(WireReply):
    ok: bool
    rows: int = Field(description="Sealed records that were checked")
    first_bad: str | None = Field(None, description="A record's id, or `block N`")
    reason: str | None = None
    head: str | None = Field(None, description="Where the chain ends: an anchor for later")

    @classmethod
    def of(cls, found: Verification) -> "ChainReply":
        return cls(
            ok=found.ok,
            rows=found.rows,
            first_bad=found.first_bad,
            reason=found.reason,
            head=str(found.head) if found.head else None,
        )


def add_books(routes: APIRouter, operations: Operations) -> None:
    @routes.get(
        "/ledger/verify",
        response_model=BooksReply,
        operation_id="opsVerifyLedger",
        summary="Check every invariant of the books, in one snapshot",
        responses=READ,
    )
    async def verify_ledger(_: Reader) -> Response:
        return answer(BooksReply.of(await ledger.verify(operations.db, operations.invariants)))

    @routes.get(
        "/ledger/balances",
        response_model=BalancesReply,
        operation_id="opsListBalances",
        summary="What the house's accounts, or one user's wallets, hold",
        responses=READ,
    )
    async def list_balances(
        _: Reader,
        user_id: OfUser = None,
        at: Annotated[
            AwareDatetime | None, Query(description="As the user's wallets stood then")
        ] = None,
    ) -> Response:
        moment = None if at is None else in_utc(at, "/query/at")
        return answer(BalancesReply.of(await balances(operations.db, user_id, moment)))

    @routes.get(
        "/audit/verify",
        response_model=ChainReply,
        operation_id="opsVerifyAudit",
        summary="Seal what is not sealed yet, then hold every record against the chain",
        responses=READ,
    )
    async def verify_audit(
        _: Auditor,
        anchor: Annotated[
            str | None, Query(max_length=128, description="A head from the log (`audit.sealed`)")
        ] = None,
    ) -> Response:
        head = None if anchor is None else _head(anchor)
        await audit.seal(operations.db)
        return answer(ChainReply.of(await audit.verify(operations.db, anchor=head)))


async def balances(
    db: Database, user_id: str | None, at: datetime | None
) -> list[tuple[str, Money]]:
    """Accounts of the house, or of one user's wallets as they stand or stood, with their balances.

    Raises:
        Invalid: the house at a past moment, which only the auditors' folder has.
    """
    if user_id is None and at is not None:
        raise Invalid(faults=[Fault("/query/at", "goes with userId")])
    async with db.transaction(read_only=True) as tx:
        if user_id is None:
            return await ledger.house_balances(tx)
        return [
            (f"wallet:{name}", Money(minor, CURRENCIES[wallet.owner.currency]))
            for wallet in await ledger.wallets(tx, user_id, at=at)
            for name, minor in (("available", wallet.available), ("held", wallet.held))
        ]


def _head(anchor: str) -> Head:
    try:
        return Head.parse(anchor)
    except ValueError as error:
        raise Invalid(faults=[Fault("/query/anchor", str(error))]) from None
