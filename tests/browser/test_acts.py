"""What people do in the console when something is wrong, in a real browser, to the end."""

import re
from collections.abc import AsyncIterator

import pytest

from payops.withdrawals.domain import State
from tests.support import night, screen, sql
from tests.support.api import code_of
from tests.support.screen import Person, Place
from tests.support.waiting import eventually

with_and_without_scripts = pytest.mark.parametrize(
    "options",
    [{"java_script_enabled": True}, {"java_script_enabled": False}],
    ids=["with scripts", "without"],
)
pytestmark = [screen.needs_chromium, pytest.mark.slow]


@pytest.fixture
async def place(url: str) -> AsyncIterator[Place]:
    async with screen.place(url) as made:
        yield made


async def acts(person: Person, title: str, button: str, **fields: str) -> None:
    """Open what is folded away under ``title``, fill it in, and press ``button``."""
    folded = person.page.locator("summary", has_text=re.compile(rf"^\s*{re.escape(title)}\s*$"))
    act = person.page.locator("details", has=folded)
    await folded.click()
    for name, value in fields.items():
        await act.locator(f"[name={name}]").fill(value)
    await act.get_by_role("button", name=button, exact=True).click()


async def said(person: Person) -> str:
    return (await person.page.locator("main [role=status]").inner_text()).strip()


@with_and_without_scripts
async def test_a_payment_is_searched_and_its_story_read(
    place: Place, options: dict[str, bool]
) -> None:
    """From a receipt that a customer named to every moment of the payout."""
    receipt = (await place.night.api.shop.withdrawal(place.night.completed)).receipt
    assert receipt
    async with place.person("jane", night.AUDITOR, **options) as jane:
        await jane.page.get_by_label("Find a payment or a user").fill(receipt)
        await jane.page.keyboard.press("Enter")
        await jane.page.get_by_role("link", name=place.night.completed).click()

        assert "Withdrawal of KES 1500.00 completed" == " ".join((await jane.heading()).split())
        story = await jane.page.locator(".story").inner_text()
        assert "withdrawal_initiated" in story
        assert "withdrawal_paid" in story
        assert "0001" in await jane.page.locator("#phone").inner_text()
        assert "254700000001" not in await jane.page.content()


@with_and_without_scripts
async def test_a_flow_is_halted_and_goes_on_when_two_people_say_so(
    place: Place, options: dict[str, bool]
) -> None:
    """Halted at once by one; the API refuses until another approves."""
    api = place.night.api
    async with (
        place.person("jane", night.OPERATOR, **options) as jane,
        place.person("john", night.APPROVER, **options) as john,
    ):
        await jane.goes("/ops/switches")
        await acts(jane, "Halt withdrawals", "Halt now", reason="the rail pays twice")
        assert "Done." == await said(jane)
        assert (503, "withdrawals_halted") == code_of(await api.withdraws())

        await acts(jane, "Let withdrawals go on", "Ask to resume", reason="they mended it")
        assert "Asked for. It is done when another person approves it." == await said(jane)
        assert (503, "withdrawals_halted") == code_of(await api.withdraws("k-2"))

        await john.goes("/ops/approvals")
        row = john.page.locator("tr", has_text="they mended it")
        assert "jane" in await row.inner_text()
        await row.locator("summary", has_text="Approve").click()
        await row.get_by_role("button", name="Approve and do it").click()
        assert "Done." == await said(john)
    assert (422, "insufficient_funds") == code_of(await api.withdraws("k-3", userId="usr_dina"))


@with_and_without_scripts
async def test_one_asks_and_only_another_decides(place: Place, options: dict[str, bool]) -> None:
    """Who asked is told to wait; with the approval the money is back."""
    shop, txid = place.night.api.shop, place.night.review
    async with (
        place.person("jane", night.APPROVER, **options) as jane,
        place.person("john", night.APPROVER, **options) as john,
    ):
        await jane.goes(f"/ops/withdrawals/{txid}")
        await acts(jane, "It was not paid", "Ask to settle as not paid", reason="ticket 81")
        assert "Asked for. It is done when another person approves it." == await said(jane)
        await jane.goes("/ops/approvals")
        own = jane.page.locator("tr", has_text="ticket 81")
        assert "Somebody else must approve." in await own.inner_text()
        assert 0 == await own.get_by_role("button").count()
        assert State.REVIEW == await shop.state_of(txid)

        await john.goes("/ops/approvals")
        row = john.page.locator("tr", has_text="ticket 81")
        await row.locator("summary", has_text="Approve").click()
        await row.get_by_role("button", name="Approve and do it").click()
        assert "Done." == await said(john)

    assert State.FAILED == await shop.state_of(txid)
    await shop.assert_books()


@with_and_without_scripts
async def test_a_number_is_shown_once_and_the_look_is_on_record(
    place: Place, options: dict[str, bool]
) -> None:
    """With a purpose and a reason; a reload shows the mask again."""
    who = night.SUPPORT | night.AUDITOR
    async with place.person("jane", who, **options) as jane:
        await jane.goes(f"/ops/withdrawals/{place.night.review}")
        shown = jane.page.locator("#phone")
        await shown.locator("summary").click()
        await shown.locator("select").select_option("investigation")
        await shown.locator("textarea").fill("ticket 4711")
        await shown.get_by_role("button").click()
        await shown.locator("[role=status]").wait_for()
        opened = await shown.inner_text()
        await jane.goes(f"/ops/withdrawals/{place.night.review}")
        masked = await shown.inner_text()
        await jane.goes("/ops/audit/reads")
        record = await jane.page.locator("tr", has_text="ticket 4711").inner_text()

    digits = "".join(c for c in opened if c.isdigit())
    assert digits.startswith("254700000011")
    assert "+2547••••0011" in masked
    assert "investigation" in record


async def test_a_number_that_may_not_be_opened_stays_closed_on_the_same_page(place: Place) -> None:
    """The refusal takes the page's place; nothing half is left."""
    async with place.person("jane", night.SUPPORT) as jane:
        await jane.goes(f"/ops/withdrawals/{place.night.review}")
        shown = jane.page.locator("#phone")
        await shown.locator("summary").click()
        await shown.locator("textarea").fill("12345 reason")
        await sql.execute(place.night.api.services.db, "UPDATE api_keys SET revoked_at = now()")
        await shown.get_by_role("button").click()
        await jane.page.get_by_label("API key").wait_for()

        assert jane.at.startswith("/ops/sign-in")
        jane.complaints.clear()  # the browser notes each answer of 401


async def test_the_overview_looks_again_by_itself_and_keeps_nobody_signed_in(place: Place) -> None:
    """Figures change without a reload; the session does not get younger from it."""
    db = place.night.api.services.db
    async with place.person("jane", night.OBSERVER) as jane:
        await jane.page.clock.install()
        await jane.goes("/ops")
        assert "nothing" in await jane.page.locator(".tile", has_text="Halted").inner_text()
        await jane.page.evaluate("window.sameDocument = true")
        await jane.page.locator("#tile-3").focus()
        await sql.execute(db, "UPDATE console_sessions SET seen_at = now() - interval '10 minutes'")
        await place.night.api.back_end.post(
            "/api/ops/switches", json={"name": "deposits", "halted": True, "reason": "test"}
        )

        await jane.page.clock.run_for(16_000)
        tile = jane.page.locator(".tile", has_text="Halted")
        await eventually(lambda: _reads(tile, "deposits"))

        assert await jane.page.evaluate("window.sameDocument")
        assert "tile-3" == await jane.page.evaluate("document.activeElement.id")
        idle = "SELECT min(now() - seen_at) > interval '9 minutes' FROM console_sessions"
        assert await sql.fetchval(db, idle)

        await sql.execute(db, "UPDATE console_sessions SET ended_at = now()")
        await jane.page.clock.run_for(16_000)
        await jane.page.get_by_label("API key").wait_for()
        jane.complaints.clear()  # as above


async def _reads(locator: object, text: str) -> bool:
    return text in await locator.inner_text()  # type: ignore[attr-defined]
