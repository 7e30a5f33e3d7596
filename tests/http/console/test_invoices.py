"""The page of a deposit: what was paid, its story, and what two people decide about it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from payops.access.domain import Scope
from payops.approvals.domain import State as Stage
from payops.approvals.errors import Overtaken
from payops.deposits.domain.states import State
from payops.ops.approvals.schemas import ApprovalReply
from tests.support import browsing
from tests.support.api import AMINA, Api, running_api
from tests.support.browsing import Browser, Page
from tests.support.house import House
from tests.support.mint import Mint
from tests.support.people import JOHN

READ = Scope.OPS_READ
SETTINGS = {"crypto": {"usd_kes_rate": "130"}, "velocity": {"deposits_per_hour": 0}}
NOBODY_S = "inv_01h455vb4pex5vsknk084sn02q"


@dataclass(frozen=True)
class Office:
    """The house with a mint as its provider, and Jane at a browser."""

    api: Api
    mint: Mint
    house: House
    jane: Browser

    async def invoice(self) -> dict[str, str]:
        """USD 20.00 in bitcoin, of which nothing was paid yet."""
        answer = await self.api.back_end.post(
            "/api/crypto/invoices",
            json={"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"},
            headers={"Idempotency-Key": f"k{self.mint.opened}"},
        )
        assert 201 == answer.status_code, answer.text
        shown: dict[str, str] = answer.json()
        return shown

    async def comes_to(self, shown: dict[str, str], state: State, arrived: str = "0.02") -> str:
        """The provider has ``arrived`` and says ``state``; we have read it back."""
        self.mint.arrives(shown["providerReference"], arrived)
        await self.says(shown, state)
        return shown["invoiceId"]

    async def says(self, shown: dict[str, str], state: State) -> None:
        self.mint.becomes(shown["providerReference"], state)
        await self.api.shop.execute(
            "UPDATE deposit_payments SET due_at = now() WHERE due_at IS NOT NULL"
        )
        await self.api.services.deposits.reader.due()

    async def is_in_review(self) -> str:
        """Money came, and the provider says that it failed."""
        return await self.comes_to(await self.invoice(), State.FAILED, "0.01")

    async def shows(self, invoice_id: str) -> Page:
        page = await self.jane.get(at(invoice_id))
        assert 200 == page.status, page.text
        return page

    async def does(self, invoice_id: str, act: str, **fields: str) -> Page:
        return await self.jane.submit(await self.shows(invoice_id), at(invoice_id, act), **fields)

    async def asked(self) -> list[ApprovalReply]:
        desk = self.api.services.four_eyes.desk
        found = await desk.page(state=Stage.PENDING, before=None, limit=10)
        return [ApprovalReply.of(one) for one in found]

    async def is_approved(self) -> None:
        (asked,) = await self.asked()
        await self.api.services.four_eyes.desk.approve(asked.approval_id, by=JOHN)

    async def wallet(self) -> list[str]:
        found = (await self.api.back_end.get(f"/api/wallets/{AMINA}")).json()["wallets"]
        return [wallet["available"]["amount"] for wallet in found]


@pytest.fixture
async def office(url: str) -> AsyncIterator[Office]:
    mint = Mint()
    async with running_api(url, SETTINGS, crypto=[mint]) as api:
        house = House(api.services, api.app, api.back_end)
        async with browsing.signed_in(house, *Scope) as jane:
            yield Office(api, mint, house, jane)


def at(invoice_id: str, act: str = "") -> str:
    return f"/ops/invoices/{invoice_id}/{act}".rstrip("/")


def acts(page: Page, invoice_id: str) -> list[str]:
    return [action.removeprefix(f"{at(invoice_id)}/") for action in page.actions]


async def test_a_deposit_is_shown_with_what_was_paid(office: Office) -> None:
    """The price, the address, the payment, what arrived and what it was credited as."""
    shown = await office.invoice()
    invoice_id = await office.comes_to(shown, State.FINISHED)

    page = await office.shows(invoice_id)

    (payment,) = [row for row in page.rows if "Payment" in row]
    (arrival,) = [row for row in page.rows if "Arrival" in row]
    assert "Deposit of USD 20.00 finished" == page.title
    assert (invoice_id, AMINA, "USD 20.00", "USD 20.00") == tuple(
        page.facts[name] for name in ("Id", "User", "Credited", "Charged")
    )
    assert shown["address"] in page.facts["Address"]
    assert (shown["providerReference"], "finished", "finished") == tuple(
        payment[label] for label in ("Payment", "State", "Provider says")
    )
    assert ("credited", "USD 20.00", "quote at 1000.00") == tuple(
        arrival[label] for label in ("State", "Credited", "Valued by")
    )
    assert f"/ops/users/{AMINA}" == page.links[AMINA]
    assert ["retry"] == acts(page, invoice_id)


async def test_the_story_of_a_deposit_is_told(office: Office) -> None:
    """From the request to the entry in the books, with the marks of its records."""
    invoice_id = await office.comes_to(await office.invoice(), State.FINISHED)

    page = await office.shows(invoice_id)

    (told,) = [e for e in page.main.iter("ol") if e.get("class") == "story"]
    moments = [browsing.text_of(moment) for moment in told]
    assert "asked for as invoice" in moments[0]
    for words in ("payment", "arrived and is credited", "deposit_credited", "not sealed yet"):
        assert any(words in text for text in moments), words
    assert f"/ops/audit?subject={invoice_id}" == page.links["Its audit records"]


async def test_a_deposit_is_read_back_now(office: Office) -> None:
    """What has arrived is credited once; who wanted it is on record."""
    shown = await office.invoice()
    office.mint.arrives(shown["providerReference"], "0.02")
    office.mint.becomes(shown["providerReference"], State.FINISHED)

    page = await office.does(shown["invoiceId"], "retry")
    await office.api.services.deposits.reader.due()

    assert page.said.startswith("Started.")
    assert "Deposit of USD 20.00 finished" == (await office.shows(shown["invoiceId"])).title
    (event,) = await office.api.shop.fetch(
        "SELECT actor FROM audit_log WHERE kind = 'deposit_read_asked_for'"
    )
    assert event["actor"].startswith("key:key_")


async def test_two_people_credit_what_is_in_review(office: Office) -> None:
    """The page names the arrival; what is credited was typed, and another person approves."""
    invoice_id = await office.is_in_review()
    before = await office.shows(invoice_id)

    page = await office.does(invoice_id, "resolve/credit", amount="9.50", reason="ticket 4711")
    (asked,) = await office.asked()
    unchanged = await office.wallet()
    await office.is_approved()
    after = await office.shows(invoice_id)

    assert "Deposit of USD 20.00 review" == before.title
    assert before.facts["In review because"]
    assert page.said.startswith("Asked for.")
    assert ("deposit_resolve", "credit", "9.50") == (
        asked.action,
        asked.asked["outcome"],
        asked.asked["amount"],
    )
    assert (["0.00"], ["9.50"]) == (unchanged or ["0.00"], await office.wallet())
    assert "USD 9.50" == after.facts["Credited"]
    assert ["retry"] == acts(after, invoice_id)
    await office.api.shop.assert_books()


async def test_two_people_dismiss_what_is_in_review(office: Office) -> None:
    """Nothing is credited; there is no amount to type."""
    invoice_id = await office.is_in_review()
    form = (await office.shows(invoice_id)).form(at(invoice_id, "resolve/dismiss"))

    await office.does(invoice_id, "resolve/dismiss", reason="dust")
    await office.is_approved()
    after = await office.shows(invoice_id)

    assert {browsing.TOKEN_FIELD, "reference", "reason"} == form.names
    assert "nothing yet" == after.facts["Credited"]
    assert "dismissed" in [row.get("State") for row in after.rows]
    assert "In review because" not in after.facts


async def test_what_was_asked_before_more_came_is_overtaken(office: Office) -> None:
    """Nobody decides on what nobody saw; asked for again, it is decided on what is there now."""
    shown = await office.invoice()
    invoice_id = await office.comes_to(shown, State.FAILED, "0.01")
    await office.does(invoice_id, "resolve/dismiss", reason="dust")
    office.mint.arrives(shown["providerReference"], "0.02")
    await office.does(invoice_id, "retry")
    await office.api.services.deposits.reader.due()

    with pytest.raises(Overtaken):
        await office.is_approved()
    waiting = await office.asked()
    await office.does(invoice_id, "resolve/credit", amount="20.00", reason="it came")
    await office.is_approved()

    assert [] == waiting
    assert ["20.00"] == await office.wallet()
    await office.api.shop.assert_books()


async def test_what_was_taken_back_is_decided_without_amounts(office: Office) -> None:
    """It was credited, and then the provider took it: only whose loss it is, is open."""
    shown = await office.invoice()
    invoice_id = await office.comes_to(shown, State.FINISHED)
    await office.says(shown, State.REFUNDED)
    # A finished payment is not polled any more: a notification would have had it read.
    await office.does(invoice_id, "retry")
    await office.api.services.deposits.reader.due()
    page = await office.shows(invoice_id)

    await office.jane.submit(page, at(invoice_id, "resolve/credit"), reason="ours to bear")
    (asked,) = await office.asked()
    await office.is_approved()

    assert "The loss is ours." in page.text
    assert "amount" not in page.form(at(invoice_id, "resolve/credit")).names
    assert "credit" == asked.asked["outcome"]
    assert ["20.00"] == await office.wallet()
    await office.api.shop.assert_books()


@pytest.mark.parametrize(
    ("act", "fields"),
    [
        ("resolve/credit", {"reason": "r"}),
        ("resolve/credit", {"amount": "1.234", "reason": "r"}),
        ("resolve/credit", {"amount": "-1", "reason": "r"}),
        ("resolve/credit", {"amount": "1.00"}),
        ("resolve/credit", {"amount": "1.00", "arrived": "0", "reason": "r"}),
        ("resolve/dismiss", {"amount": "1.00", "reason": "r"}),
        ("resolve/perhaps", {"reason": "r"}),
    ],
)
async def test_what_the_form_would_not_send_is_refused(
    office: Office, act: str, fields: dict[str, str]
) -> None:
    """422, as over the API; nothing is asked for."""
    invoice_id = await office.is_in_review()

    page = await office.jane.post(at(invoice_id, act), **fields)

    assert (422, []) == (page.status, await office.asked())


async def test_a_decision_that_came_too_late_is_refused_in_words(office: Office) -> None:
    """A page from before somebody decided."""
    invoice_id = await office.is_in_review()
    stale = await office.shows(invoice_id)
    await office.does(invoice_id, "resolve/dismiss", reason="dust")
    await office.is_approved()

    page = await office.jane.submit(
        stale, at(invoice_id, "resolve/credit"), amount="9.50", reason="late"
    )

    assert (409, True) == (page.status, "nothing_to_resolve" in page.text)
    assert [] == await office.asked()


async def test_an_observer_is_offered_nothing(office: Office) -> None:
    """And what they send all the same is refused."""
    invoice_id = await office.is_in_review()

    async with browsing.signed_in(office.house, READ) as observer:
        page = await observer.get(at(invoice_id))
        refused = [
            await observer.post(at(invoice_id, "retry")),
            await observer.post(at(invoice_id, "resolve/dismiss"), reason="r"),
        ]

    assert ("Deposit of USD 20.00 review", []) == (page.title, page.actions)
    assert "To decide" not in page.text
    assert "Its audit records" not in page.links
    assert [403, 403] == [one.status for one in refused]
    assert [] == await office.asked()


async def test_what_the_provider_wrote_is_text_on_the_page(office: Office) -> None:
    """Its words are not ours: an address with markup in it is shown as it is."""
    shown = await office.invoice()
    hostile = "<script>alert(1)</script>"
    await office.api.shop.execute("UPDATE invoices SET memo = $1", hostile)
    await office.api.shop.execute("UPDATE deposit_payments SET provider_status = $1", hostile)

    page = await office.shows(shown["invoiceId"])

    assert hostile in page.facts["Address"]
    assert "alert" not in "".join(script.text or "" for script in page.root.iter("script"))


@pytest.mark.parametrize("invoice_id", [NOBODY_S, "nonsense", "inv_%2e%2e"])
async def test_there_is_no_such_deposit(office: Office, invoice_id: str) -> None:
    """404 on a page, to read and to act on."""
    shown = await office.jane.get(at(invoice_id))
    acted = await office.jane.post(at(invoice_id, "retry"))

    assert (404, 404) == (shown.status, acted.status)
