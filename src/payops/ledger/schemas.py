"""Wallets and journals on the wire."""

from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from payops.idempotency.domain import Answer
from payops.infra.web.amounts import MoneyText
from payops.infra.web.problem import problem_body, problem_headers, status_of
from payops.infra.web.replies import MoneyReply, body_of
from payops.infra.web.wire import Wire, WireReply
from payops.kernel.errors import PayopsError
from payops.kernel.money import CURRENCIES, Money
from payops.ledger.domain import Posted, Wallet, show
from payops.ledger.service.movements import Movement, Result

# Both are shown on terminals and in exports, where control characters would act.
_ONE_LINE: Final = r"^[^\x00-\x1F\x7F-\x9F]*$"


class MovementRequest(Wire):
    amount: MoneyText
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", examples=["KES"])]
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=_ONE_LINE)]
    reference: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=_ONE_LINE,
            description="Unique per user, for ever",
        ),
    ]


class WalletReply(WireReply):
    currency: str
    available: MoneyReply
    held: MoneyReply

    @classmethod
    def of(cls, wallet: Wallet) -> "WalletReply":
        currency = CURRENCIES[wallet.owner.currency]
        return cls(
            currency=currency.code,
            available=MoneyReply.of(Money(wallet.available, currency)),
            held=MoneyReply.of(Money(wallet.held, currency)),
        )


class WalletsReply(WireReply):
    user_id: str
    wallets: list[WalletReply]


class EntryReply(WireReply):
    account: str
    amount: MoneyReply


class JournalReply(WireReply):
    journal_id: str
    user_id: str
    kind: str
    reference: str
    reason: str
    posted_at: datetime
    entries: list[EntryReply]

    @classmethod
    def of(cls, posted: Posted) -> "JournalReply":
        return cls(
            journal_id=show(posted.id),
            user_id=posted.user_id,
            kind=posted.kind,
            reference=posted.reference,
            reason=posted.reason,
            posted_at=posted.posted_at,
            entries=[
                EntryReply(account=line.account, amount=MoneyReply.of(line.amount))
                for line in posted.postings
            ],
        )


def rendered(result: Result, movement: Movement) -> Answer:
    """The answer to a movement, as it is stored under its key."""
    if isinstance(result, PayopsError):
        return Answer(
            status_of(result),
            problem_body(result, movement.request_id or ""),
            problem_headers(result),
        )
    return Answer(
        201 if result.is_new else 200,
        body_of(JournalReply.of(result.posted)),
        resource=show(result.posted.id),
    )
