"""The page of a withdrawal: evidence, story, and what may be done to it by whom."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from payops.access.domain import Scope
from payops.approvals.domain import State as Stage
from payops.audit import service as audit
from payops.idempotency.errors import KeyRequired
from payops.ops.approvals.schemas import ApprovalReply
from payops.switches import service as switches
from payops.withdrawals.domain import State
from tests.slices.audit.chain import tamper
from tests.support import browsing
from tests.support.api import Api, running_api
from tests.support.browsing import Browser, Page
from tests.support.house import House
from tests.support.people import JOHN
from tests.support.rail import NO
from tests.support.shop import Shop

READ, AUDIT = Scope.OPS_READ, Scope.AUDIT_READ
NOBODY_S = "wd_01h455vb4pex5vsknk084sn02q"
NUMBER, MASK = "254700000012", "+2547••••0012"
WHY = {"purpose": "customer_support", "reason": "ticket 4711"}


@dataclass(frozen=True)
class Office:
    """The house with its shop, and Jane at a browser."""

    api: Api
    house: House
    jane: Browser

    @property
    def shop(self) -> Shop:
        return self.api.shop

    async def shows(self, txid: str) -> Page:
        page = await self.jane.get(at(txid))
        assert 200 == page.status, page.text
        return page

    async def does(self, txid: str, act: str, **fields: str) -> Page:
        """Open the page and send the form of ``act``."""
        return await self.jane.submit(await self.shows(txid), at(txid, act), **fields)

    async def asked(self) -> list[ApprovalReply]:
        """What waits for a second person."""
        desk = self.api.services.four_eyes.desk
        found = await desk.page(state=Stage.PENDING, before=None, limit=10)
        return [ApprovalReply.of(one) for one in found]

    async def is_approved(self) -> None:
        (asked,) = await self.asked()
        await self.api.services.four_eyes.desk.approve(asked.approval_id, by=JOHN)

    async def opened(self, txid: str) -> list[dict[str, Any]]:
        """What the access log has of people's reads, the service's own left out."""
        records = await self.api.back_end.get("/api/ops/pii-access", params={"subject": txid})
        return [one for one in records.json()["data"] if one["actor"].startswith("key:")]


@asynccontextmanager
async def open_office(url: str) -> AsyncIterator[Office]:
    async with running_api(url) as api:
        house = House(api.services, api.app, api.back_end)
        async with browsing.signed_in(house, *Scope) as jane:
            yield Office(api, house, jane)


@pytest.fixture
async def office(url: str) -> AsyncIterator[Office]:
    async with open_office(url) as made:
        yield made


def at(txid: str, act: str = "") -> str:
    return f"/ops/withdrawals/{txid}/{act}".rstrip("/")


async def throw(shop: Shop, *, halted: bool, name: str) -> None:
    change = switches.halt if halted else switches.resume
    async with shop.db.transaction() as tx:
        await change(tx, name, reason="the standby took over", actor="person:test")


def acts(page: Page, txid: str) -> list[str]:
    """What the page offers to do."""
    return [action.removeprefix(f"{at(txid)}/") for action in page.actions]


async def is_paid(shop: Shop) -> str:
    txid = await shop.is_sent(100)
    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    assert State.COMPLETED == await shop.state_of(txid)
    return txid


# What is shown


async def test_a_withdrawal_is_shown_with_its_facts(office: Office) -> None:
    """Amount, state, user, rail; the number is a mask, and the page is kept nowhere."""
    txid = await is_paid(office.shop)

    page = await office.shows(txid)

    assert "Withdrawal of KES 100.00 completed" == page.title
    assert (txid, "usr_amina", "lipana", "1") == tuple(
        page.facts[name] for name in ("Id", "User", "Rail", "Sends begun")
    )
    assert page.facts["Phone"].startswith(MASK)
    assert NUMBER not in page.html
    assert "/ops/users/usr_amina" == page.links["usr_amina"]
    assert "no-store" == page.response.headers["Cache-Control"]


async def test_the_evidence_stands_side_by_side(office: Office) -> None:
    """What was sent and answered, what the rail said by itself, and what the books have."""
    txid = await is_paid(office.shop)

    page = await office.shows(txid)

    (attempt,) = [row for row in page.rows if "Send" in row]
    (callback,) = [row for row in page.rows if "Notification" in row]
    booked = [(row["Account"], row["Amount"]) for row in page.rows if "Account" in row]
    assert ("1", "taken") == (attempt["Send"], attempt["Answer"])
    assert "it is applied" in callback["What became of it"]
    assert f"/ops/inbox/{callback['Notification']}" == page.links[callback["Notification"]]
    assert ("wallet:available", "KES -100.00") == booked[0]
    assert ("wallet:held", "KES 100.00") == booked[1]
    assert ("wallet:held", "KES -100.00") in booked[2:]


async def test_the_story_is_told_in_order_with_what_the_chain_says(office: Office) -> None:
    """Each record of the audit log has its mark; seconds after it is sealed it is proven."""
    txid = await is_paid(office.shop)
    before = await office.shows(txid)
    await audit.seal(office.shop.db)

    page = await office.shows(txid)

    (told,) = [e for e in page.main.iter("ol") if e.get("class") == "story"]
    moments = [browsing.text_of(moment) for moment in told]
    assert "asked for as withdrawal" in moments[0]
    places = [
        next(i for i, text in enumerate(moments) if words in text)
        for words in ("accepted", "send 1 began", "a notification came", "withdrawal_paid")
    ]
    assert sorted(places) == places
    assert "not sealed yet" in before.text
    records = [text for text in moments if " record " in text]
    assert records
    assert all(text.endswith("proven") for text in records)
    assert "0 touched" in page.text


async def test_a_record_that_was_touched_is_cried_out(office: Office, url: str) -> None:
    """Nobody can miss it: it stands above the story."""
    txid = await is_paid(office.shop)
    await audit.seal(office.shop.db)
    await tamper(url, "UPDATE audit_log SET actor = 'key:another' WHERE subject = $1", txid)

    page = await office.shows(txid)

    (cry,) = [e for e in page.main.iter() if e.get("role") == "alert"]
    assert "changed after it was written" in browsing.text_of(cry)


async def test_what_came_from_outside_is_text_on_the_page(office: Office) -> None:
    """A reason with markup in it stands there as it was typed."""
    txid = await is_paid(office.shop)
    reason = "<script>alert(1)</script><b>paid twice</b>"

    await office.does(txid, "refund", reason=reason)
    page = await office.shows(txid)

    assert reason in page.text
    assert "alert" not in "".join(script.text or "" for script in page.root.iter("script"))


@pytest.mark.parametrize("txid", [NOBODY_S, "nonsense", "wd_%2e%2e", "wd_<script>"])
async def test_there_is_no_such_withdrawal(office: Office, txid: str) -> None:
    """404 on a page, whatever the id looks like."""
    page = await office.jane.get(at(txid))

    assert (404, "There is no such withdrawal") == (page.status, page.title)


# What is offered


async def test_what_is_offered_fits_the_state(office: Office) -> None:
    """A person at night is not shown what would be refused."""
    shop = office.shop
    pending = await shop.accepts(100)
    offered = {"pending": acts(await office.shows(pending), pending)}
    await shop.cancels(pending)
    offered["cancelled"] = acts(await office.shows(pending), pending)
    sent = await shop.is_sent(100)
    offered["sent"] = acts(await office.shows(sent), sent)
    lost = await shop.is_lost(100)
    offered["unresolved"] = acts(await office.shows(lost), lost)
    paid = await is_paid(shop)
    offered["completed"] = acts(await office.shows(paid), paid)
    shop.rail.answers(NO)
    failed = await shop.accepts(100)
    await shop.sends()
    offered["failed"] = acts(await office.shows(failed), failed)

    resolve = ["resolve/completed", "resolve/failed"]
    assert {
        "pending": ["phone", "retry", "cancel"],
        "cancelled": ["phone", "write-off"],
        "sent": ["phone", "retry", *resolve],
        "unresolved": ["phone", "retry", *resolve],
        "completed": ["phone", "retry", "refund"],
        "failed": ["phone", "retry", "write-off"],
    } == offered


async def test_an_observer_reads_and_is_offered_nothing(office: Office) -> None:
    """And what they send all the same is refused before anything is looked at."""
    paid, pending = await is_paid(office.shop), await office.shop.accepts(100)

    async with browsing.signed_in(office.house, READ) as observer:
        seen = [await observer.get(at(txid)) for txid in (pending, paid)]
        refused = [
            await observer.post(at(pending, "retry")),
            await observer.post(at(pending, "cancel")),
            await observer.post(at(paid, "resolve/completed"), reason="r"),
            await observer.post(at(paid, "refund"), reason="r", idempotencyKey="k"),
            await observer.post(at(paid, "phone"), **WHY),
        ]

    assert [[], []] == [page.actions for page in seen]
    assert "Its audit records" not in seen[0].links
    assert [403] * 5 == [page.status for page in refused]
    assert all("Nothing was changed." in page.text for page in refused)
    assert State.PENDING == await office.shop.state_of(pending)
    assert ([], []) == (await office.asked(), await office.opened(paid))


# Moving it on


async def test_a_withdrawal_is_sent_now(office: Office) -> None:
    """Rather than when it is due; who wanted it so is on record."""
    shop = office.shop
    txid = await shop.accepts(100)
    await shop.execute("UPDATE withdrawals SET due_at = now() + interval '1 hour'")

    page = await office.does(txid, "retry")

    assert (at(txid) + "?said=started", True) == (page.path, page.said.startswith("Started."))
    (row,) = await shop.fetch("SELECT due_at <= now() AS is_due FROM withdrawals")
    assert row["is_due"]
    (event,) = await shop.fetch("SELECT actor FROM audit_log WHERE kind = 'withdrawal_retried'")
    assert event["actor"].startswith("key:key_")


async def test_what_may_have_been_paid_is_asked_about(office: Office) -> None:
    """The page says so; it is not sent again."""
    txid = await office.shop.is_lost(100)

    page = await office.does(txid, "retry")

    assert "It is not sent again" in page.text
    (event,) = await office.shop.fetch(
        "SELECT detail::jsonb->>'does' AS does FROM audit_log WHERE kind = 'withdrawal_retried'"
    )
    assert "ask" == event["does"]


async def test_what_was_not_sent_is_cancelled(office: Office) -> None:
    """The money is available at once; a page that was open since says the same once more."""
    shop = office.shop
    txid = await shop.accepts(100)
    stale = await office.shows(txid)

    page = await office.does(txid, "cancel")
    again = await office.jane.submit(stale, at(txid, "cancel"))

    assert ("Done.", "Done.") == (page.said, again.said)
    assert (State.CANCELLED, (100, 0)) == (await shop.state_of(txid), await shop.balance())
    await shop.assert_books()


@pytest.mark.parametrize("name", ["withdrawals", "lipana"])
async def test_while_halted_the_page_says_why_it_cannot_be_cancelled(
    office: Office, name: str
) -> None:
    """It leads to the switches instead; a page from before is refused the same way."""
    shop = office.shop
    sent, txid = await shop.is_sent(100), await shop.accepts(100)
    stale = await office.shows(txid)
    await throw(shop, halted=True, name=name)

    page = await office.shows(txid)
    refused = await office.jane.submit(stale, at(txid, "cancel"))

    assert ["phone", "retry"] == acts(page, txid)
    assert f"While {name} is halted, it is not sent and cannot be cancelled" in page.text
    assert "/ops/switches" == page.links["halted"]
    assert (503, "Withdrawals are halted for now") == (refused.status, refused.title)
    assert "cannot be cancelled" not in (await office.shows(sent)).text
    await throw(shop, halted=False, name=name)
    assert ["phone", "retry", "cancel"] == acts(await office.shows(txid), txid)


async def test_while_both_are_halted_it_names_both(office: Office) -> None:
    """One going on is not enough."""
    txid = await office.shop.accepts(100)
    for name in ("withdrawals", "lipana"):
        await throw(office.shop, halted=True, name=name)

    page = await office.shows(txid)

    assert "While withdrawals and lipana are halted, it is not sent" in page.text


async def test_what_was_sent_meanwhile_is_not_cancelled(office: Office) -> None:
    """A page from before it was sent: 409, in words."""
    shop = office.shop
    txid = await shop.accepts(100)
    stale = await office.shows(txid)
    await shop.sends()

    page = await office.jane.submit(stale, at(txid, "cancel"))

    assert (409, "The withdrawal can no longer be cancelled") == (page.status, page.title)
    assert "The withdrawal is sent." in page.text
    assert State.SENT == await shop.state_of(txid)


# What two people decide


async def test_a_payout_is_settled_as_paid_by_two(office: Office) -> None:
    """The page asks; it is paid when another person has approved."""
    txid = await office.shop.is_lost(100)

    page = await office.does(
        txid, "resolve/completed", receipt="SLK4H7RTY9", reason="rail's ticket 4711"
    )
    (asked,) = await office.asked()
    unchanged = await office.shop.state_of(txid)
    await office.is_approved()
    after = await office.shows(txid)

    assert "Asked for. It is done when another person approves it." == page.said
    assert ("withdrawal_resolve", txid, "jane") == (asked.action, asked.subject, asked.asked_by)
    assert {"outcome": "completed", "receipt": "SLK4H7RTY9"}.items() <= asked.asked.items()
    assert asked.approval_id in [row.get("Approval") for row in page.rows]
    assert State.UNRESOLVED == unchanged
    assert ("Withdrawal of KES 100.00 completed", "SLK4H7RTY9") == (
        after.title,
        after.facts["Receipt"],
    )
    await office.shop.assert_books()


async def test_a_payout_is_settled_as_not_paid_by_two(office: Office) -> None:
    """The money is back when another person has approved; there is no receipt to name."""
    txid = await office.shop.is_lost(100)
    form = (await office.shows(txid)).form(at(txid, "resolve/failed"))

    await office.does(txid, "resolve/failed", reason="rail's ticket 4712: not paid")
    held = await office.shop.balance()
    await office.is_approved()

    assert {browsing.TOKEN_FIELD, "reason"} == form.names
    assert ((0, 100), (100, 0)) == (held, await office.shop.balance())
    assert "Withdrawal of KES 100.00 failed" == (await office.shows(txid)).title
    await office.shop.assert_books()


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        ("resolve/failed", {"receipt": "SLK4H7RTY9", "reason": "r"}),
        ("resolve/completed", {"receipt": "<b>", "reason": "r"}),
        ("resolve/completed", {}),
        ("resolve/perhaps", {"reason": "r"}),
        ("resolve/completed", {"outcome": "failed", "state": "x", "reason": "r"}),
        ("refund", {"idempotencyKey": "k", "borneBy": "nobody", "reason": "r"}),
        ("refund", {"idempotencyKey": "k"}),
        ("phone", {"purpose": "payout_send", "reason": "ticket 4711"}),
        ("phone", {"purpose": "customer_support", "reason": "x"}),
        ("phone", {"reason": "ticket 4711"}),
    ],
)
async def test_what_the_form_would_not_send_is_refused(
    office: Office, act: str, fields: dict[str, str]
) -> None:
    """422, as over the API: nothing is asked for, nothing opened."""
    txid = await office.shop.is_lost(100)

    page = await office.jane.post(at(txid, act), **fields)

    assert (422, "The request is not valid") == (page.status, page.title)
    assert ([], []) == (await office.asked(), await office.opened(txid))


async def test_a_refund_pressed_twice_is_asked_for_once(office: Office) -> None:
    """The page has a key of its own for it: the same answer, and one approval."""
    txid = await is_paid(office.shop)
    page = await office.shows(txid)
    wanted = {"reason": "duplicate charge", "borneBy": "rail"}

    first = await office.jane.submit(page, at(txid, "refund"), **wanted)
    second = await office.jane.submit(page, at(txid, "refund"), **wanted)
    (asked,) = await office.asked()
    await office.is_approved()
    third = await office.jane.submit(page, at(txid, "refund"), **wanted)

    assert ["Asked for."] * 3 == [one.said[:10] for one in (first, second, third)]
    assert ("withdrawal_refund", "rail") == (asked.action, asked.asked["borneBy"])
    assert [] == await office.asked()
    assert (State.REVERSED, (100, 0)) == (
        await office.shop.state_of(txid),
        await office.shop.balance(),
    )
    await office.shop.assert_books()


async def test_each_page_has_a_key_of_its_own_for_a_refund(office: Office) -> None:
    """Two who want different things are two requests, of which one is refused in words."""
    txid = await is_paid(office.shop)
    one, other = await office.shows(txid), await office.shows(txid)

    await office.jane.submit(one, at(txid, "refund"), reason="duplicate charge")
    reused = await office.jane.submit(one, at(txid, "refund"), reason="another reason")
    refused = await office.jane.submit(other, at(txid, "refund"), reason="another reason")

    assert 422 == reused.status
    assert "idempotency_key_reused" in reused.text
    assert (409, "Another act on the same thing waits for approval") == (
        refused.status,
        refused.title,
    )
    assert "approval_pending" in refused.text
    assert "Nothing was changed." in refused.text
    (asked,) = await office.asked()
    assert "duplicate charge" == asked.reason


async def test_a_refund_without_a_key_is_refused(office: Office) -> None:
    """No page of ours sends it so."""
    txid = await is_paid(office.shop)

    page = await office.jane.post(at(txid, "refund"), reason="duplicate charge")

    assert (400, KeyRequired.title) == (page.status, page.title)
    assert [] == await office.asked()


async def test_what_was_not_paid_is_not_given_back(office: Office) -> None:
    """A page from before, or none at all: the desk looks anew."""
    txid = await office.shop.accepts(100)

    page = await office.jane.post(at(txid, "refund"), reason="r", idempotencyKey="k")

    assert (409, True) == (page.status, "The withdrawal is pending." in page.text)
    assert [] == await office.asked()


async def test_auditors_are_led_to_its_records(office: Office) -> None:
    """Whose scope it is sees the way there."""
    txid = await office.shop.accepts(100)

    async with browsing.signed_in(office.house, READ, AUDIT) as auditor:
        page = await auditor.get(at(txid))

    assert f"/ops/audit?subject={txid}" == page.links["Its audit records"]
    assert [] == page.actions
