"""The search page: whatever a person has in hand, in groups that lead on."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.ops.search.service import LENGTH_MAX
from tests.support import browsing
from tests.support.browsing import Browser, Page
from tests.support.house import PHONE, House, opened

READ, PII, AUDIT = Scope.OPS_READ, Scope.PII_READ, Scope.AUDIT_READ


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


@pytest.fixture
async def browser(house: House) -> AsyncIterator[Browser]:
    async with browsing.signed_in(house, READ) as made:
        yield made


def groups(page: Page) -> list[str]:
    return [browsing.text_of(heading) for heading in page.main.iter("h2")]


async def test_what_is_found_stands_in_groups_that_lead_on(house: House, browser: Browser) -> None:
    """Users first; each hit leads to the page of its kind, and to its user."""
    txid = (await house.withdrawal("amina"))["txId"]

    page = await browser.get("/ops/search", q="amina")

    assert ["Users", "Withdrawals"] == groups(page)
    user, withdrawal = page.rows
    assert ("amina", "id") == (user["Id"], user["Found by"])
    assert (txid, "user", "amina", "pending", "KES 100.00") == tuple(
        withdrawal[label] for label in ("Id", "Found by", "User", "State", "Amount")
    )
    assert f"/ops/withdrawals/{txid}" == page.links[txid]
    assert "/ops/users/amina" == page.links["amina"]
    for path in (page.links[txid], page.links["amina"]):
        assert 200 == (await browser.get(path)).status


async def test_one_hit_is_a_list_too(house: House, browser: Browser) -> None:
    """Nobody is sent to a page they did not choose; the bar at the top asks as the page does."""
    txid = (await house.withdrawal())["txId"]
    await house.withdrawal("brian", "254700000002")

    start = await browser.get("/ops/switches")
    page = await browser.submit(start, "/ops/search", q=f"  {txid} ")

    assert page.path.startswith("/ops/search?")
    assert [(txid, "id")] == [(row["Id"], row["Found by"]) for row in page.rows]


async def test_notifications_and_journals_are_found(house: House, browser: Browser) -> None:
    """A notification has its page; a journal is on the page of its user."""
    shown = (await house.notification())["id"]
    txid = (await house.withdrawal())["txId"]
    story = await browser.get(f"/ops/withdrawals/{txid}")
    journal = next(word for word in story.text.split() if word.startswith("jrn_"))

    notified = await browser.get("/ops/search", q=shown)
    posted = await browser.get("/ops/search", q=journal)

    assert (["Notifications"], f"/ops/inbox/{shown}") == (groups(notified), notified.links[shown])
    credit = (await browser.get("/ops/users/amina")).rows
    assert any(journal in row.get("Journal", "") for row in credit)
    assert journal not in posted.links


async def test_a_search_without_words_says_what_can_be_searched(browser: Browser) -> None:
    """And so does one that finds nothing, after it has said so."""
    empty = await browser.get("/ops/search")
    blank = await browser.get("/ops/search", q="   ")
    nothing = await browser.get("/ops/search", q="po_0")

    for page in (empty, blank, nothing):
        assert (200, ["What can be searched"]) == (page.status, groups(page))
    assert "Nothing goes by" not in empty.text + blank.text
    assert "Nothing goes by po_0." in nothing.text


async def test_what_was_typed_is_text_on_the_page(browser: Browser) -> None:
    """Whatever it is; it stays in the field to be corrected."""
    typed = '"><script>alert(1)</script>'

    page = await browser.get("/ops/search", q=typed)

    searched = [form for form in page.forms if form.action == "/ops/search"][-1]
    assert typed == searched.values["q"]
    assert "alert" not in "".join(script.text or "" for script in page.root.iter("script"))
    assert f"Nothing goes by {typed}" in page.text


async def test_a_number_is_looked_for_by_whom_may_and_that_is_recorded(house: House) -> None:
    """The page shows the mask, also of what was typed; the record names no number at all."""
    txid = (await house.withdrawal())["txId"]

    async with browsing.signed_in(house, READ, PII) as browser:
        page = await browser.get("/ops/search", q="0700000001")
        nothing = await browser.get("/ops/search", q="0700000002")

    assert [(txid, "phone")] == [(row["Id"], row["Found by"]) for row in page.rows]
    records = (await house.get("/api/ops/audit", AUDIT, kind="withdrawals_searched")).json()["data"]
    assert [{"by": "phone", "found": found} for found in (0, 1)] == [r["detail"] for r in records]
    assert "Nothing goes by +2547••••0002." in nothing.text
    for html in (page.html, nothing.html):
        assert PHONE[3:-1] not in html


async def test_others_are_told_how_to_go_on(house: House, browser: Browser) -> None:
    """Which scope it needs, and what to search instead; not whether anybody has the number."""
    await house.withdrawal()

    known = await browser.get("/ops/search", q="0700000001")
    unknown = await browser.get("/ops/search", q="0700000002")

    assert (403, []) == (known.status, known.rows)
    assert "Only a key with the scope pii:read may look for one" in known.text
    assert known.text == unknown.text
    assert (
        [] == (await house.get("/api/ops/audit", AUDIT, kind="withdrawals_searched")).json()["data"]
    )


async def test_a_search_is_narrowed_to_a_user(house: House, browser: Browser) -> None:
    """By the same form; the user's field may stay empty."""
    txid = (await house.withdrawal("amina"))["txId"]
    start = await browser.get("/ops/search", q=txid)
    (form,) = [one for one in start.forms if "userId" in one.names]

    theirs = await browser.get("/ops/search", **form.filled({"userId": "amina"}))
    others = await browser.get("/ops/search", **form.filled({"userId": "brian"}))

    assert (1, 1, 0) == (len(start.rows), len(theirs.rows), len(others.rows))
    assert "of the user brian" in others.text


@pytest.mark.parametrize(
    "asked", [{"q": "x" * (LENGTH_MAX + 1)}, {"q": "x", "userId": "no user id"}]
)
async def test_what_cannot_be_searched_is_refused(browser: Browser, asked: dict[str, str]) -> None:
    """As over the API, on a page."""
    page = await browser.get("/ops/search", **asked)

    assert (422, "The request is not valid") == (page.status, page.title)


async def test_a_nul_character_finds_nothing(house: House, browser: Browser) -> None:
    """PostgreSQL has no such text; as over the API."""
    page = await browser.get("/ops/search", q="a\0b")
    api = await house.get("/api/ops/search", READ, q="a\0b")

    assert api.status_code == page.status
    assert page.status < 500
