"""The console by keyboard alone, in a real browser."""

from collections.abc import AsyncIterator

import pytest

from tests.support import night, screen
from tests.support.screen import Place

pytestmark = [screen.needs_chromium, pytest.mark.slow]


@pytest.fixture
async def place(url: str) -> AsyncIterator[Place]:
    async with screen.place(url) as made:
        yield made


async def test_signing_in_is_typing_the_key(place: Place) -> None:
    """The field has the focus at once; the page that was asked for comes afterwards."""
    key = await place.night.key("jane", night.OBSERVER)
    async with place.window(key) as jane:
        await jane.page.goto(f"{place.base}/ops/withdrawals/{place.night.review}")
        assert f"/ops/sign-in?next=/ops/withdrawals/{place.night.review}" == jane.at
        assert "key" == await jane.focus()

        await jane.page.keyboard.type(key)
        await jane.page.keyboard.press("Enter")
        await jane.page.get_by_role("button", name="Sign out").wait_for()

        assert f"/ops/withdrawals/{place.night.review}" == jane.at


async def test_what_was_seen_is_gone_after_signing_out(place: Place) -> None:
    """The way back in the browser's history leads to the door."""
    async with place.person("jane", night.OBSERVER) as jane:
        await jane.goes("/ops/queue")
        await jane.page.get_by_role("button", name="Sign out").click()
        await jane.page.get_by_text("You are signed out.").wait_for()
        await jane.page.go_back()
        await jane.page.get_by_label("API key").wait_for()

        assert "/ops/sign-in?next=/ops/queue" == jane.at
        assert [] == await jane.page.context.cookies()


async def test_tab_goes_through_the_page_as_it_is_read(place: Place) -> None:
    """First a way past the menu, which is seen only when it has the focus."""
    async with place.person("jane", night.OBSERVER) as jane:
        await jane.goes("/ops/queue")
        skip = jane.page.get_by_text("Skip to the page")
        before = await skip.bounding_box()
        order = []
        for _ in range(6):
            await jane.page.keyboard.press("Tab")
            order.append(await jane.focus())

        assert ["Skip to the page", "payops", "q", "Sign out"] == order[:4]
        assert order[4].startswith("Overview")
        assert order[5].startswith("Queue")
        assert before
        assert before["x"] < 0


async def test_the_menu_can_be_skipped(place: Place) -> None:
    """The next Tab is on the page itself."""
    async with place.person("jane", night.OBSERVER) as jane:
        await jane.goes("/ops/queue")
        await jane.page.keyboard.press("Tab")
        skip = await jane.page.get_by_text("Skip to the page").bounding_box()
        await jane.page.keyboard.press("Enter")
        await jane.page.keyboard.press("Tab")

        inside = await jane.page.evaluate(
            "() => document.getElementById('main').contains(document.activeElement)"
        )
        assert inside
        assert skip
        assert skip["x"] >= 0


async def test_a_slash_finds_and_g_goes(place: Place) -> None:
    """In the field these are letters again."""
    async with place.person("jane", night.AUDITOR) as jane:
        await jane.page.keyboard.press("/")
        assert "q" == await jane.focus()
        await jane.page.keyboard.type("gs/?jk")
        assert "gs/?jk" == await jane.page.locator("#find").input_value()
        assert "/ops" == jane.at

        await jane.goes("/ops")
        menu = await jane.page.locator("[data-go]").all()
        letters = [(await a.get_attribute("data-go"), await a.get_attribute("href")) for a in menu]
        assert 13 == len(dict(letters))
        for letter, path in letters:
            assert letter
            await jane.page.keyboard.press("g")
            await jane.page.keyboard.press(letter)
            await jane.page.wait_for_url(f"{place.base}{path}")
        assert letters


async def test_j_and_k_go_through_the_rows_and_enter_opens_one(place: Place) -> None:
    """Past the last and before the first they stay."""
    rows = [place.night.review, place.night.asked, place.night.unresolved]
    async with place.person("jane", night.OBSERVER) as jane:
        await jane.goes("/ops/queue")
        seen = []
        for pressed in "kjjk":
            await jane.page.keyboard.press(pressed)
            seen.append(await jane.focus())
        assert [rows[0], rows[1], rows[2], rows[1]] == seen

        await jane.page.keyboard.press("Enter")
        await jane.page.wait_for_url(f"{place.base}/ops/withdrawals/{rows[1]}")
        assert (await jane.heading()).startswith("Withdrawal of KES 4200.00")


async def test_rows_that_are_folded_away_are_passed_by(place: Place) -> None:
    """They cannot have the focus, and it must not stop before them for ever."""
    async with place.person("jane", night.OBSERVER) as jane:
        await jane.goes("/ops/queue")
        rows = jane.page.locator("[data-row]")
        await rows.nth(1).evaluate("(row) => { row.hidden = true; }")
        await jane.page.keyboard.press("j")
        first = await jane.focus()
        await jane.page.keyboard.press("j")

        assert place.night.review == first
        assert place.night.unresolved == await jane.focus()


async def test_the_list_of_keys_opens_and_closes(place: Place) -> None:
    """While it is open the keys do nothing behind it."""
    async with place.person("jane", night.OBSERVER) as jane:
        await jane.page.keyboard.press("?")
        dialog = jane.page.get_by_role("dialog", name="Keys")
        await dialog.wait_for()
        await jane.page.keyboard.press("g")
        await jane.page.keyboard.press("s")
        assert await dialog.is_visible()
        assert "/ops" == jane.at

        await jane.page.keyboard.press("Escape")
        await dialog.wait_for(state="hidden")
