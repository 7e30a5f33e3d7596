"""Two people who run the place, and what they ask of each other."""

from payops.approvals.domain import Approval, Person
from payops.ops.approvals.service import ApprovalDesk
from payops.withdrawals.service.deciding import Bearer
from payops.withdrawals.service.resolving import Resolution, Verdict
from tests.support.shop import Shop

JANE = Person("key:jane-1", "jane")
JANE_TOO = Person("person:Jane", "person:Jane")
JOHN = Person("key:john-1", "john")
MARY = Person("person:mary", "person:mary")

PAID = Resolution(Verdict.COMPLETED)
NOT_PAID = Resolution(Verdict.FAILED)


def desk_of(shop: Shop) -> ApprovalDesk:
    return shop.services.four_eyes.desk


async def ask_resolve(
    shop: Shop, txid: str, resolution: Resolution = PAID, by: Person = JANE
) -> Approval:
    return await desk_of(shop).ask_resolve(txid, resolution, reason="asked the rail", by=by)


async def ask_refund(
    shop: Shop, txid: str, by: Person = JANE, bearer: Bearer = Bearer.HOUSE
) -> Approval:
    return await desk_of(shop).ask_refund(txid, bearer, reason="never arrived", by=by)


async def ask_write_off(
    shop: Shop, txid: str, receipt: str = "SLK4H7RTY9", by: Person = JANE
) -> Approval:
    return await desk_of(shop).ask_write_off(txid, receipt, reason="their statement", by=by)


async def approve(shop: Shop, asked: Approval, by: Person = JOHN) -> object:
    return await desk_of(shop).approve(asked.shown_id, by=by)


async def states(shop: Shop) -> list[str]:
    """Of all approvals, oldest first."""
    rows = await shop.fetch("SELECT state FROM approvals ORDER BY id")
    return [row["state"] for row in rows]
