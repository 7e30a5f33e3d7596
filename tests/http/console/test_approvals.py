"""The page of approvals: what is asked, what it would change, and that two people decide."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from payops.access.domain import Scope
from payops.deposits.domain.states import State as Deposited
from payops.withdrawals.domain import State
from tests.support import browsing
from tests.support.api import AMINA, Api, running_api
from tests.support.browsing import Browser
from tests.support.house import House
from tests.support.mint import Mint
from tests.support.till import Till

OPS, HERE = "/api/ops", "/ops/approvals"
READ, WRITE, APPROVE = Scope.OPS_READ, Scope.OPS_WRITE, Scope.OPS_APPROVE
SETTINGS: dict[str, Any] = {
    "approvals": {"unblock_alone_max_kes": 500},
    "crypto": {"usd_kes_rate": "130"},
    "velocity": {"deposits_per_hour": 0},
}


@dataclass(frozen=True)
class Office:
    api: Api
    house: House
    mint: Mint
    jane: Browser
    john: Browser

    async def asks(self, path: str, **body: object) -> str:
        """Jane's request over the API; the id of what waits."""
        headers = {"Authorization": f"Bearer {self.jane.key}", "Idempotency-Key": "k-1"}
        method = "PUT" if "/velocity/" in path else "POST"
        answer = await self.api.stranger.request(method, f"{OPS}{path}", json=body, headers=headers)
        assert 202 == answer.status_code, answer.text
        waits = answer.json()
        return str(waits.get("approvalId") or waits["changeId"])

    async def resolve(self, **more: object) -> str:
        txid = await self.api.shop.is_lost(100)
        body = {"outcome": "completed", "reason": "seen on the statement"} | more
        return await self.asks(f"/withdrawals/{txid}/resolve", **body)

    async def loosen(self) -> str:
        rule = {"name": "one-a-day", "measure": "sum", "limit": 1000, "mode": "enforce"}
        made = await self.api.back_end.post(f"{OPS}/velocity/rules", json=rule | {"reason": "r"})
        assert 201 == made.status_code, made.text
        return await self.asks("/velocity/rules/one-a-day", limit=5000, reason="busy")

    async def status_of(self, shown_id: str) -> dict[str, Any]:
        listed = (await self.api.back_end.get(f"{OPS}/approvals")).json()["data"]
        (found,) = [one for one in listed if one["approvalId"] == shown_id]
        return dict(found)


@pytest.fixture
async def office(url: str) -> AsyncIterator[Office]:
    mint = Mint()
    async with running_api(url, SETTINGS, crypto=[mint]) as api:
        house = House(api.services, api.app, api.stranger)
        async with (
            browsing.signed_in(house, READ, WRITE, APPROVE, owner="Jane") as jane,
            browsing.signed_in(house, READ, WRITE, APPROVE, owner="john") as john,
        ):
            yield Office(api, house, mint, jane, john)


async def test_what_waits_says_who_asked_what_and_what_it_changes(office: Office) -> None:
    """Before, after, in money, until when, and exactly."""
    await office.resolve(receipt="SLK4H7RTY9")

    page = await office.john.get(HERE)

    (row,) = page.rows
    assert row["Asked for"].startswith("withdrawal resolve wd_")
    assert '"receipt": "SLK4H7RTY9"' in row["Asked for"]
    assert ("unresolved", "completed, receipt SLK4H7RTY9") == (row["Now"], row["Once approved"])
    assert "KES 100.00 that is held counts as paid out." == row["In money"]
    assert row["Asked by"].startswith("jane, ")
    assert row["Asked by"].endswith(": seen on the statement")
    assert row["State"].startswith("pending approval until ")


async def test_another_person_approves_and_it_is_done(office: Office) -> None:
    """The page of what waits is empty afterwards; who decided is among all."""
    shown = await office.resolve()
    page = await office.john.get(HERE)

    after = await office.john.submit(page, f"{HERE}/{shown}/approve", reason="seen it as well")

    assert ("Done.", []) == (after.said, after.rows)
    assert "Nothing waits for a second person." in after.text
    decided = await office.status_of(shown)
    assert ("approved", "john", "seen it as well") == tuple(
        decided[name] for name in ("status", "decidedBy", "decisionReason")
    )
    assert State.COMPLETED == await office.api.shop.state_of(decided["subject"])
    (row,) = (await office.john.submit(after, HERE, status="all")).rows
    assert "completed" == row["Now"]
    assert row["State"].startswith("approved by john, ")
    await office.api.shop.assert_books()


async def test_a_rejection_has_no_effect_and_needs_no_words(office: Office) -> None:
    """A reason that is left empty is none."""
    shown = await office.resolve()

    after = await office.john.submit(await office.john.get(HERE), f"{HERE}/{shown}/reject")

    decided = await office.status_of(shown)
    assert ("Done.", "rejected") == (after.said, decided["status"])
    assert "decisionReason" not in decided
    assert State.UNRESOLVED == await office.api.shop.state_of(decided["subject"])


async def test_who_asked_is_told_that_somebody_else_must_approve(office: Office) -> None:
    """However their name is spelt; a form sent all the same is refused on a page."""
    shown = await office.resolve()
    async with browsing.signed_in(office.house, READ, APPROVE, owner="jane ") as jane_too:
        pages = [await browser.get(HERE) for browser in (office.jane, jane_too)]
        refused = [
            await jane_too.post(f"{HERE}/{shown}/{decision}") for decision in ("approve", "reject")
        ]

    for page in pages:
        assert "Somebody else must approve." in page.text
        assert [HERE] == page.actions
    assert [403, 403] == [page.status for page in refused]
    assert all("four_eyes_required" in page.text for page in refused)
    assert "pending" == (await office.status_of(shown))["status"]


async def test_without_the_scope_there_is_nothing_to_press(office: Office) -> None:
    """And nothing to send past the page."""
    shown = await office.resolve()
    async with browsing.signed_in(office.house, READ, WRITE, owner="ada") as writer:
        page = await writer.get(HERE)
        refused = [
            await writer.post(f"{HERE}/{shown}/{decision}") for decision in ("approve", "reject")
        ]

    assert ([HERE], 1) == (page.actions, len(page.rows))
    assert "Somebody else must approve." not in page.text
    assert [403, 403] == [answer.status for answer in refused]
    assert "pending" == (await office.status_of(shown))["status"]


async def test_what_is_not_possible_any_more_is_said_on_a_page(office: Office) -> None:
    """It is closed, as what happened to it; and what is closed is not decided on."""
    shown = await office.resolve()
    page = await office.john.get(HERE)
    txid = (await office.status_of(shown))["subject"]
    await office.api.shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})

    overtaken = await office.john.submit(page, f"{HERE}/{shown}/approve")
    again = await office.john.submit(page, f"{HERE}/{shown}/reject")

    assert [409, 409] == [overtaken.status, again.status]
    assert "approval_overtaken" in overtaken.text
    assert "approval_decided" in again.text
    (row,) = (await office.john.get(HERE, status="all")).rows
    assert ("completed", "overtaken") == (row["Now"], row["State"].split(" ")[0])


async def test_a_looser_limit_is_approved_with_the_others(office: Office) -> None:
    """Its own fields, the same buttons."""
    change = await office.loosen()
    page = await office.john.get(HERE)

    after = await office.john.submit(page, f"{HERE}/{change}/approve")

    (row,) = page.rows
    assert row["Asked for"].startswith("velocity loosen one-a-day")
    assert ("KES 1,000, enforce", "KES 5,000, enforce") == (row["Now"], row["Once approved"])
    assert "Done." == after.said
    rules = (await office.api.back_end.get(f"{OPS}/velocity")).json()["rules"]
    assert [5000] == [rule["limit"] for rule in rules if rule["name"] == "one-a-day"]


async def test_ones_own_looser_limit_can_be_taken_back(office: Office) -> None:
    """Not approved."""
    change = await office.loosen()
    page = await office.jane.get(HERE)

    refused = await office.jane.post(f"{HERE}/{change}/approve")
    after = await office.jane.submit(page, f"{HERE}/{change}/reject")

    assert [403, 200] == [refused.status, after.status]
    assert f"{HERE}/{change}/approve" not in page.actions
    assert "rejected" == (await office.status_of(change))["status"]


async def test_money_is_said_for_every_act_on_a_payout(office: Office) -> None:
    """Given back, or found not to be paid."""
    shop = office.api.shop
    await office.resolve(outcome="failed")
    paid = await shop.is_sent(100)
    await shop.hears({"transactionId": paid, "amountKES": 100, "status": "success"})
    await office.asks(f"/withdrawals/{paid}/refund", reason="charged twice")
    other = await shop.is_sent(50)
    await shop.hears({"transactionId": other, "amountKES": 50, "status": "success"})
    path = f"{OPS}/withdrawals/{other}/refund"
    headers = {"Authorization": f"Bearer {office.jane.key}", "Idempotency-Key": "k-2"}
    asked = await office.api.stranger.post(
        path, json={"reason": "reversed", "borneBy": "rail"}, headers=headers
    )
    assert 202 == asked.status_code, asked.text

    rows = (await office.john.get(HERE)).rows

    assert [
        (
            "completed",
            "reversed",
            "KES 50.00 goes to the user; the rail has put it back into our float.",
        ),
        ("completed", "reversed", "KES 100.00 goes to the user; at the house's cost."),
        ("unresolved", "failed", "KES 100.00 goes back to what the user can spend."),
    ] == [(row["Now"], row["Once approved"], row["In money"]) for row in rows]


async def test_money_is_said_for_a_switch_and_for_a_user(office: Office) -> None:
    """What starts to move again, and how much of it is theirs."""
    await office.api.shop.funds(AMINA, 501)
    for path, body in (
        ("/switches", {"name": "deposits", "halted": True, "reason": "odd"}),
        (f"/users/{AMINA}/block", {"reason": "a complaint"}),
    ):
        assert 200 == (await office.api.back_end.post(f"{OPS}{path}", json=body)).status_code
    await office.asks("/switches", name="deposits", halted=False, reason="looked at")
    await office.asks(f"/users/{AMINA}/unblock", reason="settled")

    page = await office.john.get(HERE)

    user, switch = page.rows
    assert ("blocked: a complaint", "not blocked") == (user["Now"], user["Once approved"])
    assert "The user can take out KES 501.00 again." == user["In money"]
    assert ("halted: odd", "on") == (switch["Now"], switch["Once approved"])
    assert (f"/ops/users/{AMINA}", "/ops/switches") == (
        page.links[AMINA],
        page.links["deposits"],
    )


async def test_money_is_said_for_a_deposit_in_review(office: Office) -> None:
    """Credited or not; later, what of it is credited."""
    body = {"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"}
    shown = []
    for key in ("a", "b"):
        made = await office.api.back_end.post(
            "/api/crypto/invoices", json=body, headers={"Idempotency-Key": key}
        )
        reference = made.json()["providerReference"]
        office.mint.arrives(reference, "0.02", coin="ETH")
        office.mint.becomes(reference, Deposited.FINISHED)
        shown.append(made.json()["invoiceId"])
    await office.api.shop.execute("UPDATE deposit_payments SET due_at = now()")
    await office.api.services.deposits.reader.due()
    await office.asks(
        f"/invoices/{shown[0]}/resolve", outcome="credit", amount="19.00", reason="seen"
    )
    await office.asks(f"/invoices/{shown[1]}/resolve", outcome="dismiss", reason="dust")

    dismissed, credited = (await office.john.get(HERE)).rows

    assert "USD 19.00 is credited to the user." == credited["In money"]
    assert "Nothing is credited." == dismissed["In money"]
    assert ("credited", "dismissed") == (credited["Once approved"], dismissed["Once approved"])
    assert credited["Now"].startswith("review: ")


async def test_a_loss_says_whose_it_will_be(office: Office) -> None:
    """The provider took back what was credited: the house's, or the user's."""
    till = Till(office.api.services, office.mint)
    for outcome in ("credit", "dismiss"):
        invoice = await till.invoice("20.00")
        await till.settles(invoice, "0.02")
        await till.settles(invoice, "0.02", state=Deposited.REFUNDED, again=1)
        await office.asks(f"/invoices/{invoice.shown_id}/resolve", outcome=outcome, reason="r")

    users, house = (await office.john.get(HERE)).rows

    assert "The user keeps USD 20.00, at the house's cost." == house["In money"]
    assert "USD 20.00 is taken back from the user." == users["In money"]


async def test_what_a_person_wrote_is_text(office: Office) -> None:
    """Also inside the exact request."""
    await office.resolve(reason="<script>alert(1)</script>")

    page = await office.john.get(HERE)

    assert "<script>alert" not in page.html
    assert page.rows[0]["Asked by"].endswith(": <script>alert(1)</script>")


async def test_the_rest_of_the_list_is_behind_a_link(office: Office) -> None:
    """Twenty to a page, of the same state."""
    await office.resolve()
    await office.api.shop.execute(
        """INSERT INTO approvals SELECT (jsonb_populate_record(a, jsonb_build_object(
                'id', gen_random_uuid(), 'state', 'rejected', 'decided_by', 'x',
                'decided_owner', 'x', 'decided_at', now()))).*
            FROM approvals a, generate_series(1, 21)"""
    )

    first = await office.john.get(HERE, status="rejected")
    rest = await office.john.get(first.links["Older"])

    assert (20, 1) == (len(first.rows), len(rest.rows))


async def test_there_is_no_such_approval(office: Office) -> None:
    """A page says so; and there is no such state."""
    pages = [await office.john.post(f"{HERE}/{shown}/approve") for shown in ("x", "apr_x", "chg_x")]

    assert [404] * 3 == [page.status for page in pages]
    assert 422 == (await office.john.get(HERE, status="maybe")).status
