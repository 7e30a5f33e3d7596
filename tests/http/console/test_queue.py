"""The queue: what waits for a person or is in doubt, and asking about it now."""

import json
from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.kernel.ids import new_id
from payops.withdrawals.domain import read
from tests.support import browsing, sql
from tests.support.house import House, opened

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
STRANGE = "<script>alert(1)</script>"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def became(house: House, state: str, user: str = "amina") -> str:
    """A withdrawal of KES 100 that was sent three hours ago and is ``state`` now."""
    txid: str = (await house.withdrawal(user))["txId"]
    await sql.execute(
        house.services.db,
        "UPDATE withdrawals SET state = $2, is_doubtful = true, questions = 4,"
        " first_sent_at = now() - interval '185 minutes', due_at = now() + interval '1 hour'"
        " WHERE id = $1",
        read(txid),
        state,
    )
    return txid


async def a_break(house: House, payment: str, **detail: str) -> None:
    await sql.execute(
        house.services.db,
        "INSERT INTO reconciliation_breaks (id, provider, kind, subject, user_id, detail)"
        " VALUES ($1, 'mint', 'amount_differs', $2, 'a/b', $3::text::jsonb)",
        new_id(),
        payment,
        json.dumps(detail),
    )


async def an_invoice_in_review(house: House, reason: str) -> None:
    await sql.execute(
        house.services.db,
        "INSERT INTO invoices (user_id, id, state, price, currency, charged, charged_currency,"
        " coin, provider, checkout, caller, reasons, created_at) VALUES ('baraka', $1, 'review',"
        " 2000, 'USD', 2000, 'USD', 'BTC', 'mint', 'address', 'key:x', $2,"
        " now() - interval '26 hours')",
        new_id(),
        [reason],
    )


async def test_an_empty_queue_says_so(house: House) -> None:
    """Nobody should have to guess whether the page is broken."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops/queue")

    assert (200, "Queue", []) == (page.status, page.title, page.rows)
    assert "No payout is unclear" in page.text
    assert 4 == page.text.count("None.")


async def test_what_is_in_doubt_is_shown_with_its_age_and_why(house: House) -> None:
    """Those for a person and those still being asked about; what simply waits is not there."""
    unresolved = await became(house, "unresolved")
    review = await became(house, "review", "baraka")
    await house.withdrawal("carol")

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops/queue")

    by_id = {row["Withdrawal"]: row for row in page.rows}
    assert {unresolved, review} == set(by_id)
    assert ("3 h 5 min", "KES 100.00", "baraka") == tuple(
        by_id[review][name] for name in ("Age", "Amount", "User")
    )
    assert "a person must decide" in by_id[review]["Why"]
    assert "asked 4 times since" in by_id[unresolved]["Why"]
    assert f"/ops/withdrawals/{review}" == page.links[review]
    assert "/ops/users/baraka" == page.links["baraka"]
    assert "2 payouts are unclear, KES 200.00 in all" in page.text


async def test_deposits_and_differences_stand_beside_them(house: House) -> None:
    """With what the providers' books say; text from outside is text."""
    await an_invoice_in_review(house, f"wrong_asset: {STRANGE}")
    await a_break(house, STRANGE, theirs=STRANGE)

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops/queue")

    invoice, difference = page.rows
    assert ("1 d 2 h", "USD 20.00", "baraka") == tuple(
        invoice[name] for name in ("Age", "Amount", "User")
    )
    assert f"wrong asset: {STRANGE}" == invoice["Why"]
    assert ("mint", STRANGE, f"theirs {STRANGE}", "nobody") == tuple(
        difference[name] for name in ("Provider", "Payment", "Detail", "Taken on by")
    )
    assert STRANGE not in page.html
    assert "/ops/users/a%2Fb" == page.links["a/b"]


async def test_asking_now_is_an_act_of_the_one_who_asked(house: House) -> None:
    """It is due at once, and the audit log names the person's key."""
    txid = await became(house, "unresolved")

    async with browsing.signed_in(house, READ, WRITE) as browser:
        page = await browser.get("/ops/queue")
        after = await browser.submit(page, f"/ops/queue/{txid}/ask")

    assert after.said.startswith("Started.")
    due = await sql.fetchval(
        house.services.db, "SELECT due_at <= now() FROM withdrawals WHERE id = $1", read(txid)
    )
    assert due
    trail = (await house.get("/api/ops/audit", Scope.AUDIT_READ, subject=txid)).json()["data"]
    assert ("withdrawal_retried", "ask") == (trail[0]["kind"], trail[0]["detail"]["does"])


async def test_an_observer_sees_the_queue_and_no_button(house: House) -> None:
    """And is refused where there was none."""
    txid = await became(house, "unresolved")

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops/queue")
        refused = await browser.post(f"/ops/queue/{txid}/ask")

    assert [] == page.actions
    assert 403 == refused.status


async def test_what_cannot_be_asked_about_is_said_on_a_page(house: House) -> None:
    """A cancelled one, and one that does not exist."""
    txid = (await house.withdrawal())["txId"]
    await house.post(f"/api/withdrawals/{txid}/cancel", Scope.WITHDRAWALS_WRITE)

    async with browsing.signed_in(house, READ, WRITE) as browser:
        cancelled = await browser.post(f"/ops/queue/{txid}/ask")
        unknown = await browser.post("/ops/queue/wd_x/ask")

    assert (409, 404) == (cancelled.status, unknown.status)
    assert "Nothing was changed." in cancelled.text


async def test_a_long_list_goes_on_alone(house: House) -> None:
    """Twenty at a time; the rest of one list is a page of that list."""
    for number in range(21):
        await a_break(house, f"pay_{number}")

    async with browsing.signed_in(house, READ) as browser:
        first = await browser.get("/ops/queue")
        rest = await browser.get(first.links["Older"])

    assert [f"pay_{number}" for number in range(20, 0, -1)] == [r["Payment"] for r in first.rows]
    assert ["pay_0"] == [row["Payment"] for row in rest.rows]
    assert 0 == rest.text.count("None.")
    assert "Older" not in rest.links
    assert "/ops/queue" == rest.links["All lists"]


@pytest.mark.parametrize("query", [{"of": "nonsense"}, {"of": "breaks", "cursor": "no"}])
async def test_an_address_that_makes_no_sense_is_refused(
    house: House, query: dict[str, str]
) -> None:
    """As a page, with what is wrong."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops/queue", **query)

    assert 422 == page.status
