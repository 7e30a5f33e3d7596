"""A night of work in one database: something in every list that the console shows.

The real application over a rail and a mint that are played; people of operations beside it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from payops.access.domain import Scope
from payops.access.service import create_key
from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.deposits.domain.states import State
from payops.pii.domain import Msisdn
from payops.withdrawals.domain import State as Payout
from payops.withdrawals.ports import Candidates, Outcome, Report
from tests.support import people
from tests.support.api import Api, running_api
from tests.support.house import House
from tests.support.mint import Mint
from tests.support.rail import NO
from tests.support.till import RATE, Till

PHONE = Msisdn("254700000011")
AMINA, BRIAN, CATE = "usr_amina", "auth0|brian", "usr_cate"
MANY = {"velocity": {"deposits_per_hour": 0, "withdrawals_per_hour": 0}}

OBSERVER = frozenset({Scope.OPS_READ})
AUDITOR = OBSERVER | {Scope.AUDIT_READ}
OPERATOR = OBSERVER | {Scope.OPS_WRITE}
APPROVER = OPERATOR | {Scope.OPS_APPROVE}
SUPPORT = OBSERVER | {Scope.PII_READ}


@dataclass(frozen=True, slots=True)
class Night:
    """What happened, by the ids that tests look for."""

    api: Api
    till: Till
    completed: str  # withdrawals
    waiting: str
    failed: str
    unresolved: str
    review: str
    asked: str  # in doubt, and an approval to settle it waits
    invoice: str  # in review

    @property
    def house(self) -> House:
        """The same application, for what asks for a house."""
        return House(self.api.services, self.api.app, self.api.stranger)

    async def key(self, owner: str, scopes: frozenset[Scope]) -> str:
        """A new API key's text."""
        made = await create_key(
            self.api.services.db, name=f"{owner}'s", owner=owner, scopes=scopes, live=False
        )
        return made.text


@asynccontextmanager
async def fallen(url: str) -> AsyncIterator[Night]:
    """The night's work, done; nothing goes on by itself afterwards."""
    mint = Mint()
    async with running_api(url, RATE | MANY, crypto=[mint]) as api:
        yield await _night(api, Till(api.services, mint))


async def _night(api: Api, till: Till) -> Night:
    shop = api.shop
    completed = await shop.is_sent(1_500, user=AMINA, to=Msisdn("254700000001"))
    shop.rail.pays(completed)
    await shop.reconciles()
    shop.rail.answers(NO)
    failed = await shop.accepts(300, user=BRIAN, to=Msisdn("254700000002"))
    await shop.sends()
    review = await shop.is_lost(700, user=BRIAN, to=PHONE)
    shop.rail.says(_two_like_it(70_000))
    await shop.asks()
    assert Payout.REVIEW == await shop.state_of(review)
    unresolved = await shop.is_lost(2_500, user=AMINA, to=PHONE)
    asked = await shop.is_lost(4_200, user=CATE, to=PHONE)
    await people.ask_resolve(shop, asked, by=people.MARY)
    waiting = await shop.accepts(900, user=CATE, to=Msisdn("254700000003"))
    invoice = await _deposits(till)
    await _trouble(api)
    await audit.seal(api.services.db)
    return Night(api, till, completed, waiting, failed, unresolved, review, asked, invoice)


def _two_like_it(amount_minor: int) -> Candidates:
    """The rail has two payouts that could be the one it is asked about."""
    names = ("po_7", "po_8")
    return Candidates(
        tuple(
            Report(Outcome.PAID, reference=name, amount_minor=amount_minor, phone=PHONE)
            for name in names
        )
    )


async def _deposits(till: Till) -> str:
    """One credited, one waiting, one whose difference is on record, one for people to decide."""
    await till.settles(await till.invoice("20.00", user=AMINA), "0.02")
    await till.invoice("50.00", user=BRIAN)
    lost = await till.settles(await till.invoice("30.00", user=CATE), "0.03")
    assert lost.provider_reference
    del till.mint.book[lost.provider_reference]
    await till.services.deposit_reconciliation.everything()
    odd = await till.invoice("80.00", user=BRIAN)
    reference = odd.provider_reference
    assert reference
    till.mint.arrives(reference, "1.5", coin="XRP")
    till.mint.becomes(reference, State.FINISHED)
    await till.hears(reference=reference)
    after = await till.look(odd.shown_id)
    assert State.REVIEW == after.state, after
    return odd.shown_id


async def _trouble(api: Api) -> None:
    """What people are told of, and what they did about it."""
    async with api.services.db.transaction() as tx:
        for severity, kind, summary in (
            (Severity.CRITICAL, "rail_down", "The rail refuses every payout since 10 minutes."),
            (Severity.WARNING, "inbox_parked", "Notifications wait for a person."),
        ):
            await alerts.raise_alert(
                tx,
                Alert(key=f"{kind}:lipana", kind=kind, severity=severity, summary=summary),
            )
    await api.shop.hears(b"no JSON at all")
    blocked = await api.back_end.post(
        f"/api/ops/users/{CATE}/block",
        json={"reason": "three numbers in an hour", "until": None},
        headers={"Idempotency-Key": "block-1"},
    )
    assert 200 == blocked.status_code, blocked.text
    await api.shop.execute(
        "INSERT INTO job_runs (job, slot, replica, status, started_at, finished_at, lease_until,"
        " result) VALUES ('ledger-verify', now() - $1::interval, 'test', 'done',"
        " now() - $1::interval, now() - $1::interval, now(), '{\"violations\": []}')",
        timedelta(hours=1),
    )
