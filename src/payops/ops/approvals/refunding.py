"""A refund asked for under an idempotency key: the same key asks once, and says so again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from payops.approvals.domain import Approval, Person
from payops.idempotency.domain import Answer, Key, Keyed, canonical
from payops.idempotency.service import Desk
from payops.infra.db import Tx
from payops.kernel.errors import PayopsError
from payops.ops.approvals.service import ApprovalDesk
from payops.ops.service.withdrawals import withdrawal_id_of
from payops.pii.sealing import Fingerprints
from payops.withdrawals.service import keeping
from payops.withdrawals.service.deciding import Bearer

OPERATION: Final = "refund"


@dataclass(frozen=True, slots=True)
class RefundAsked:
    withdrawal_id: UUID
    bearer: Bearer
    reason: str
    by: Person
    request_id: str | None


Result: TypeAlias = Approval | PayopsError
Render = Callable[[Result, RefundAsked], Answer]


class Refunding:
    """Takes keyed requests for refunds. One per process."""

    def __init__(self, desk: ApprovalDesk, fingerprints: Fingerprints, render: Render) -> None:
        self._asking = desk
        self._fingerprints = fingerprints
        self._render = render
        self._desk: Desk[RefundAsked] = Desk(desk.db, self._decide)

    async def ask(
        self,
        txid: str,
        *,
        bearer: Bearer,
        reason: str,
        key: str,
        by: Person,
        request_id: str | None,
    ) -> Answer:
        """The answer to the request, new or as given before.

        Raises:
            WithdrawalNotFound: there is none.
            KeyReused, InProgress, CommitUnknown: as ``Desk.submit``.
        """
        withdrawal_id = withdrawal_id_of(txid)
        async with self._asking.db.transaction(read_only=True) as tx:
            user_id = (await keeping.get(tx, withdrawal_id, user_id=None)).user_id
        request = {"txId": txid, "borneBy": bearer.value, "reason": reason}
        command = RefundAsked(withdrawal_id, bearer, reason, by, request_id)
        return await self._desk.submit(
            Keyed(
                Key(user_id, by.actor, OPERATION, key),
                self._fingerprints.of("idempotency", canonical(request)),
                command,
            )
        )

    async def drained(self) -> None:
        await self._desk.drained()

    async def _decide(self, tx: Tx, batch: Sequence[Keyed[RefundAsked]]) -> list[Answer]:
        return [self._render(await self._result(tx, one.command), one.command) for one in batch]

    async def _result(self, tx: Tx, asked: RefundAsked) -> Result:
        """A refusal comes before anything is written, so the others of the batch stand."""
        try:
            return await self._asking.ask_refund_in(
                tx,
                asked.withdrawal_id,
                asked.bearer,
                reason=asked.reason,
                by=asked.by,
                request_id=asked.request_id,
            )
        except PayopsError as refusal:
            return refusal
