"""The page of a user: what is known of them, and blocking and unblocking."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from payops.access.domain import Scope
from payops.approvals.domain import State as Stage
from payops.fraud.domain.rules import NAIROBI
from payops.ops.approvals.schemas import ApprovalReply
from payops.withdrawals.domain import State
from tests.support import browsing
from tests.support.api import AMINA, Api, running_api
from tests.support.browsing import Browser, Page
from tests.support.house import House
from tests.support.mint import Mint
from tests.support.people import JOHN
from tests.support.shop import Shop

READ, AUDIT = Scope.OPS_READ, Scope.AUDIT_READ
SETTINGS = {
    "approvals": {"unblock_alone_max_kes": 500},
    "velocity": {"withdrawals_per_hour": 9, "withdrawal_kes_per_day": 5_000},
}


@dataclass(frozen=True)
class Office:
    """The house with its shop, and Jane at a browser."""

    api: Api
    house: House
    jane: Browser

    @property
    def shop(self) -> Shop:
        return self.api.shop

    async def shows(self, user: str = AMINA, **parameters: str) -> Page:
        page = await self.jane.get(at(user), **parameters)
        assert 200 == page.status, page.text
        return page

    async def does(self, act: str, user: str = AMINA, **fields: str) -> Page:
        return await self.jane.submit(await self.shows(user), at(user, act), **fields)

    async def asked(self) -> list[ApprovalReply]:
        desk = self.api.services.four_eyes.desk
        found = await desk.page(state=Stage.PENDING, before=None, limit=10)
        return [ApprovalReply.of(one) for one in found]


@pytest.fixture
async def office(url: str) -> AsyncIterator[Office]:
    async with running_api(url, SETTINGS, crypto=[Mint()]) as api:
        house = House(api.services, api.app, api.back_end)
        async with browsing.signed_in(house, *Scope) as jane:
            yield Office(api, house, jane)


def at(user: str, act: str = "") -> str:
    return f"/ops/users/{user}/{act}".rstrip("/")


async def test_a_user_is_shown_with_what_they_have_and_moved(office: Office) -> None:
    """Wallets, withdrawals with masks, deposits, and the journals behind the balances."""
    txid = await office.shop.accepts(100)
    made = await office.api.back_end.post(
        "/api/crypto/invoices",
        json={"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"},
        headers={"Idempotency-Key": "k"},
    )
    invoice_id = made.json()["invoiceId"]

    page = await office.shows()

    assert f"User {AMINA}" == page.title
    (wallet,) = [row for row in page.rows if "Available" in row]
    (paid,) = [row for row in page.rows if "Withdrawal" in row]
    (deposit,) = [row for row in page.rows if "Deposit" in row]
    journals = [row for row in page.rows if "Journal" in row]
    assert ("KES", "KES 0.00", "KES 100.00") == tuple(wallet.values())
    assert (txid, "KES 100.00", "+2547••••0012", "pending") == tuple(
        paid[label] for label in ("Withdrawal", "Amount", "To", "State")
    )
    assert (invoice_id, "USD 20.00", "waiting") == tuple(
        deposit[label] for label in ("Deposit", "Price", "State")
    )
    assert ["withdrawal held", "credit"] == [row["Journal"].rpartition(" ")[0] for row in journals]
    assert "wallet:held KES 100.00" in journals[0]["Entries"]
    assert f"/ops/withdrawals/{txid}" == page.links[txid]
    assert f"/ops/invoices/{invoice_id}" == page.links[invoice_id]
    assert "254700000012" not in page.html


async def test_limits_are_shown_as_they_counted(office: Office) -> None:
    """With the newest withdrawal in them; sums in whole shillings."""
    await office.shop.funds(AMINA, 500)
    for kes in (100, 200):
        assert 202 == (await office.shop.asks_for(kes)).status

    page = await office.shows()

    counted = {row["Rule"]: (row["Used"], row["Limit"]) for row in page.rows if "Rule" in row}
    assert ("2", "9") == counted["user-withdrawals-per-hour"]
    assert ("KES 300", "KES 5000") == counted["user-withdrawal-kes-per-day"]


async def test_journals_go_on_page_by_page(office: Office) -> None:
    """Each once, newest first, however many there are."""
    for _ in range(23):
        await office.shop.funds(AMINA, 1)

    first = await office.shows()
    rest = await office.jane.get(first.links["Older"])

    shown = [row["Journal"] for page in (first, rest) for row in page.rows if "Journal" in row]
    assert (23, 23) == (len(shown), len(set(shown)))
    assert "Older" not in rest.links
    assert all(newer > older for newer, older in pairwise(shown))


async def test_a_user_nobody_has_heard_of_is_said_to_be_unknown(office: Office) -> None:
    """Not an error: one may be blocked before they come."""
    page = await office.shows("nobody")

    assert "Nothing is known of a user of this id." in page.text
    assert [at("nobody", "block")] == page.actions


@pytest.mark.parametrize("user", ["@house", "no%20user", "%2e%2e", "x" * 65])
async def test_what_is_no_user_id_is_refused(office: Office, user: str) -> None:
    """On a page, to read and to act on."""
    pages = [
        await office.jane.get(at(user)),
        await office.jane.post(at(user, "block"), reason="r"),
    ]

    assert [422, 422] == [page.status for page in pages]


async def test_an_id_with_unusual_letters_has_its_page(office: Office) -> None:
    """Bars and colons are part of some ids, and every link and form leads back."""
    user = "auth0|usr:1"
    await office.shop.funds(user, 100)
    page = await office.jane.get("/ops/users/auth0%7Cusr%3A1")

    done = await office.jane.submit(page, "/ops/users/auth0%7Cusr%3A1/block", reason="r")

    assert (f"User {user}", f"User {user} blocked") == (page.title, done.title)


async def test_a_user_is_blocked_at_once(office: Office) -> None:
    """What was not sent is back; the page says who did it, why, and until when."""
    txid = await office.shop.accepts(100)

    page = await office.does("block", reason="a complaint")

    assert ("Done.", f"User {AMINA} blocked") == (page.said, page.title)
    assert page.facts["Blocked by"].startswith("key:key_")
    assert ("a complaint", "it is lifted") == (page.facts["Because"], page.facts["Until"])
    assert (State.CANCELLED, (100, 0)) == (
        await office.shop.state_of(txid),
        await office.shop.balance(),
    )
    assert 403 == (await office.api.withdraws()).status_code


async def test_a_block_ends_when_the_wall_clock_in_nairobi_says_so(office: Office) -> None:
    """A browser sends a date and a time without a zone: the page says whose they are."""
    until = (datetime.now(NAIROBI) + timedelta(days=1)).replace(second=0, microsecond=0)

    await office.does("block", reason="r", until=f"{until:%Y-%m-%dT%H:%M}")

    (row,) = await office.shop.fetch("SELECT until FROM user_blocks")
    assert until.astimezone(UTC) == row["until"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reason": "r", "until": "tomorrow"},
        {"reason": "r", "until": "2020-01-01T00:00"},
        {"reason": "r", "until": "2030-01-01T00:00Z"},
        {"reason": "r", "forever": "yes"},
        {"reason": "x" * 1_001},
    ],
)
async def test_what_the_form_would_not_send_is_refused(
    office: Office, fields: dict[str, str]
) -> None:
    """422, and nobody is blocked."""
    page = await office.jane.post(at(AMINA, "block"), **fields)

    assert (422, "The request is not valid") == (page.status, page.title)
    assert [] == await office.shop.fetch("SELECT FROM user_blocks")


async def test_one_person_unblocks_who_has_little_at_stake(office: Office) -> None:
    """At once; the block stays on the page as one of the past."""
    await office.does("block", reason="a complaint")

    page = await office.does("unblock", reason="settled")

    (past,) = [row for row in page.rows if "Why lifted" in row]
    assert ("Done.", f"User {AMINA}") == (page.said, page.title)
    assert ("a complaint", "settled") == (past["Reason"], past["Why lifted"])
    assert at(AMINA, "unblock") not in page.actions


async def test_two_people_unblock_who_has_much_at_stake(office: Office) -> None:
    """The page says that it was asked for; the user stays blocked until it is approved."""
    await office.shop.funds(AMINA, 501)
    await office.does("block", reason="a complaint")

    page = await office.does("unblock", reason="settled")
    (asked,) = await office.asked()
    await office.api.services.four_eyes.desk.approve(asked.approval_id, by=JOHN)
    after = await office.shows()

    assert page.said.startswith("Asked for.")
    assert f"User {AMINA} blocked" == page.title
    assert ("user_unblock", AMINA, "jane") == (asked.action, asked.subject, asked.asked_by)
    assert f"User {AMINA}" == after.title


async def test_who_is_not_blocked_is_not_unblocked(office: Office) -> None:
    """A page from before somebody else did it."""
    await office.does("block", reason="a complaint")
    stale = await office.shows()
    await office.does("unblock", reason="settled")

    page = await office.jane.submit(stale, at(AMINA, "unblock"), reason="settled")

    assert 409 == page.status
    assert "Nothing was changed." in page.text


async def test_what_people_typed_is_text_on_the_page(office: Office) -> None:
    """A reason with markup in it stands there as it was typed."""
    reason = "<script>alert(1)</script>"

    page = await office.does("block", reason=reason)

    assert reason == page.facts["Because"]
    assert "alert" not in "".join(script.text or "" for script in page.root.iter("script"))


async def test_an_observer_is_offered_nothing(office: Office) -> None:
    """And what they send all the same is refused."""
    await office.shop.funds(AMINA, 100)

    async with browsing.signed_in(office.house, READ) as observer:
        page = await observer.get(at(AMINA))
        refused = [await observer.post(at(AMINA, act), reason="r") for act in ("block", "unblock")]

    assert ([], [403, 403]) == (page.actions, [one.status for one in refused])
    assert "All records of this user" not in page.links
    assert [] == await office.shop.fetch("SELECT FROM user_blocks")


async def test_auditors_are_led_to_all_records(office: Office) -> None:
    """The newest are on the page for everybody; the way to the others is theirs."""
    await office.does("block", reason="a complaint")

    async with browsing.signed_in(office.house, READ, AUDIT) as auditor:
        page = await auditor.get(at(AMINA))

    assert f"/ops/audit?userId={AMINA}" == page.links["All records of this user"]
    assert "user blocked" in [row.get("What") for row in page.rows]
