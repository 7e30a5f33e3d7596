"""Why something is where it is: everything that happened to it, in order, and proven."""

from itertools import pairwise

import pytest

from payops.audit import service as audit
from payops.audit.domain import Proof
from payops.deposits.errors import InvoiceNotFound
from payops.ops.why import service as why
from payops.ops.why.domain import Part
from payops.ops.why.schemas import text_of
from payops.withdrawals.errors import WithdrawalNotFound
from tests.slices.audit.chain import tamper
from tests.support.people import approve, ask_refund, ask_resolve
from tests.support.shop import AMINA, Shop
from tests.support.till import Till


async def test_a_paid_withdrawal_tells_its_whole_story(shop: Shop) -> None:
    """Request, decision, hold, send, notification, entries and records, oldest first."""
    txid = await shop.is_sent(100)
    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    await audit.seal(shop.db)

    story = await why.of_withdrawal(shop.db, txid)

    parts = [moment.part for moment in story.moments]
    assert {Part.REQUEST, Part.DECISION, Part.ATTEMPT, Part.CALLBACK, Part.ENTRY} <= set(parts)
    assert {Part.ACCESS, Part.RECORD} <= set(parts)
    assert all(a.at <= b.at for a, b in pairwise(story.moments))
    assert (txid, AMINA, "completed") == (story.id, story.user_id, story.status)
    entries = [moment.text for moment in story.moments if moment.part is Part.ENTRY]
    assert ["withdrawal_held", "withdrawal_paid"] == [text.partition(":")[0] for text in entries]
    assert story.is_proven
    assert story.is_whole


async def summary_of(shop: Shop, txid: str) -> str:
    return (await why.of_withdrawal(shop.db, txid)).summary


@pytest.mark.parametrize("by", ["rail", "people"])
async def test_what_was_paid_without_a_receipt_is_not_said_to_be_in_doubt(
    shop: Shop, by: str
) -> None:
    """The rail reports some payouts without one, and people may settle without; nor is it in
    doubt when it was given back afterwards.
    """
    txid = await shop.is_sent(100)
    if by == "rail":
        await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    else:
        await approve(shop, await ask_resolve(shop, txid))
    completed = await summary_of(shop, txid)
    await approve(shop, await ask_refund(shop, txid))
    reversed_ = await summary_of(shop, txid)

    known = "and was reported as paid; no receipt of it is known"
    assert f"KES 100.00 to +2547••••0012 is completed {known}" in completed
    assert f"KES 100.00 to +2547••••0012 is reversed {known}" in reversed_


async def test_what_is_known_of_its_payment_stands_in_the_summary(shop: Shop) -> None:
    """With its receipt, in doubt, or neither."""
    waiting = await shop.accepts(100)
    before = await summary_of(shop, waiting)
    await shop.cancels(waiting)
    paid, lost = await shop.is_sent(100), await shop.is_lost(100)
    said = {"transactionId": paid, "amountKES": 100, "status": "success"}
    await shop.hears({**said, "receipt": "SLK4H7RTY9"})

    assert "is completed with the receipt SLK4H7RTY9" in await summary_of(shop, paid)
    assert "is unresolved and may have been paid" in await summary_of(shop, lost)
    for summary in (before, await summary_of(shop, waiting)):
        assert "paid" not in summary
        assert "receipt" not in summary


async def test_records_that_are_not_sealed_yet_are_told_apart(shop: Shop) -> None:
    """They are seconds old; after the next seal they are proven."""
    txid = await shop.accepts(100)

    before = await why.of_withdrawal(shop.db, txid)
    await audit.seal(shop.db)
    after = await why.of_withdrawal(shop.db, txid)

    assert (1, 0) == (before.proofs[Proof.UNSEALED], before.proofs[Proof.PROVEN])
    assert (0, 1) == (after.proofs[Proof.UNSEALED], after.proofs[Proof.PROVEN])


@pytest.mark.parametrize(
    "sql",
    [
        """UPDATE audit_log SET detail = '{"amountMinor":1}' WHERE subject = $1""",
        "UPDATE audit_log SET actor = 'key:another' WHERE subject = $1",
        """UPDATE audit_seals SET row_hashes = set_byte(row_hashes, 0, 0), hash = '\\x00'
           WHERE $1 <> ''""",
        "UPDATE audit_seals SET prev_hash = '\\x01' WHERE $1 <> ''",
    ],
)
async def test_a_touched_record_is_marked(shop: Shop, url: str, sql: str) -> None:
    """Whether the row was changed, or the block that lists it."""
    txid = await shop.accepts(100)
    await audit.seal(shop.db)
    await tamper(url, sql, txid)

    story = await why.of_withdrawal(shop.db, txid)

    assert not story.is_proven
    assert "TOUCHED" in text_of(story)


async def test_a_record_slipped_in_behind_the_chain_is_marked(shop: Shop, url: str) -> None:
    """No block lists it, and it claims to be too old for the next one."""
    txid = await shop.accepts(100)
    await audit.seal(shop.db)
    await tamper(
        url,
        "INSERT INTO audit_log (user_id, id, at, kind, actor, subject, detail)"
        " VALUES ('x', gen_random_uuid(), now() - interval '1 hour', 'k', 'a', $1, '{}')",
        txid,
    )

    story = await why.of_withdrawal(shop.db, txid)

    assert 1 == story.proofs[Proof.TOUCHED]


async def test_the_text_has_no_number_of_anybody(shop: Shop) -> None:
    """A story is shown around; the number stays masked in it."""
    txid = await shop.is_sent(100)

    text = text_of(await why.of_withdrawal(shop.db, txid))

    assert "+2547••••0012" in text
    assert "254700000012" not in text
    assert "send 1 was answered" in text


async def test_a_deposit_tells_its_story(till: Till) -> None:
    """Payment, arrival with its value, entries and records."""
    invoice = await till.invoice("10.00")
    assert invoice.pay_amount
    await till.settles(invoice, str(invoice.pay_amount))
    await audit.seal(till.db)

    story = await why.of_invoice(till.db, invoice.shown_id)

    parts = {moment.part for moment in story.moments}
    assert {Part.REQUEST, Part.PAYMENT, Part.ENTRY, Part.RECORD, Part.CALLBACK} <= parts
    assert "finished" == story.status
    assert any("deposit_credited" in moment.text for moment in story.moments)
    assert story.is_proven


async def test_what_does_not_exist_has_no_story(shop: Shop) -> None:
    """Nor has what is no id."""
    for name in ("wd_01h455vb4pex5vsknk084sn02q", "x", ""):
        with pytest.raises(WithdrawalNotFound):
            await why.of_withdrawal(shop.db, name)
    for name in ("inv_01h455vb4pex5vsknk084sn02q", "x"):
        with pytest.raises(InvoiceNotFound):
            await why.of_invoice(shop.db, name)
