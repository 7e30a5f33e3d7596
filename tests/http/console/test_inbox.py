"""The inbox's pages: what came, why it waits, and letting it have its effect."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from payops.access.domain import Scope
from payops.kernel.ids import new_id
from tests.support import browsing
from tests.support.house import House, opened
from tests.support.sql import execute

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
HERE, NOBODYS = "/ops/inbox", "whk_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def test_a_parked_notification_is_listed_with_its_reason(house: House) -> None:
    """And found by its state; a filter that is left empty filters nothing."""
    kept = await house.notification()

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(HERE)
        parked = await browser.submit(page, HERE, state="parked")
        applied = await browser.submit(page, HERE, state="applied")
        everything = await browser.submit(page, HERE, state="")

    (row,) = page.rows
    assert ("parked", "lipana", "1") == (row["State"], row["From"], row["Tries"])
    assert row["Why"].startswith("unreadable")
    assert f"/ops/inbox/{kept['id']}" == page.links[kept["id"]]
    assert [[row], [], [row]] == [parked.rows, applied.rows, everything.rows]
    assert "There is none like that." in applied.text


async def test_a_notification_is_shown_without_its_body(house: House) -> None:
    """The body may name people."""
    kept = await house.notification(b"nobody but the sender knows of the marmalade")

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(f"/ops/inbox/{kept['id']}")

    assert (kept["id"], "parked", "1") == tuple(page.facts[n] for n in ("Id", "State", "Tries"))
    assert "marmalade" not in page.html
    assert [] == page.actions


async def test_a_replay_is_tried_and_says_what_came_of_it(house: House) -> None:
    """Here, nothing: what cannot be read stays parked; that it was tried is on record."""
    kept = await house.notification()
    path = f"/ops/inbox/{kept['id']}"

    async with browsing.signed_in(house, READ, WRITE) as browser:
        after = await browser.submit(await browser.get(path), f"{path}/replay")

    assert ("Tried. What came of it is below.", "parked", "2") == (
        after.said,
        after.facts["State"],
        after.facts["Tries"],
    )
    audited = await house.get("/api/ops/audit", Scope.AUDIT_READ, kind="webhook_replayed")
    assert [kept["id"]] == [one["subject"] for one in audited.json()["data"]]


async def test_an_observer_cannot_replay(house: House) -> None:
    """Neither by the page nor past it."""
    kept = await house.notification()

    async with browsing.signed_in(house, READ) as browser:
        refused = await browser.post(f"/ops/inbox/{kept['id']}/replay")
        after = await browser.get(f"/ops/inbox/{kept['id']}")

    assert (403, "1") == (refused.status, after.facts["Tries"])
    assert "scope_missing" in refused.text


async def test_what_is_badly_signed_is_evidence_only(house: House) -> None:
    """No form for it, and a form sent all the same is refused on a page."""
    await house.client.post("/webhooks/mpesa", content=b"{}")

    async with browsing.signed_in(house, READ, WRITE) as browser:
        listed = await browser.get(HERE, state="rejected")
        path = f"/ops/inbox/{listed.rows[0]['Notification']}"
        page = await browser.get(path)
        refused = await browser.post(f"{path}/replay")

    assert "kept as evidence" in page.text
    assert [] == page.actions
    assert 409 == refused.status
    assert "webhook_not_replayable" in refused.text


async def test_what_a_provider_wrote_is_text(house: House) -> None:
    """Never markup, and never a path of ours."""
    await house.notification()
    evil = 'wd_"><script>alert(1)</script>/../x'
    await execute(
        house.services.db, "UPDATE webhook_deliveries SET reason = $1, subject = $1", evil
    )

    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(HERE)
        one = await browser.get(page.links[page.rows[0]["Notification"]])

    for shown in (page, one):
        assert "<script>alert" not in shown.html
        assert evil in shown.text
        assert "/ops/withdrawals/wd_%22%3E%3Cscript" in shown.links[evil]
        assert "/.." not in shown.links[evil]


async def test_the_rest_of_a_list_keeps_its_filter(house: House) -> None:
    """Twenty to a page; the link to older ones leads to those of the same state."""
    await house.notification()
    ids: list[UUID] = [new_id() for _ in range(20)]
    await execute(
        house.services.db,
        """INSERT INTO webhook_deliveries
            SELECT (jsonb_populate_record(w, jsonb_build_object(
                'id', made.id, 'dedupe_key', '\\x' || md5(made.id::text)))).*
            FROM webhook_deliveries w, unnest($1::uuid[]) AS made (id)""",
        ids,
    )

    async with browsing.signed_in(house, READ) as browser:
        first = await browser.get(HERE, state="parked", said="done")
        rest = await browser.get(first.links["Older"])

    assert (20, 1) == (len(first.rows), len(rest.rows))
    assert first.links["Older"].startswith("/ops/inbox?state=parked&cursor=")
    assert "Older" not in rest.links


@pytest.mark.parametrize("shown", [NOBODYS, "nonsense"])
async def test_there_is_no_such_notification(house: House, shown: str) -> None:
    """A page says so, to read and to replay."""
    async with browsing.signed_in(house, READ, WRITE) as browser:
        pages = [
            await browser.get(f"/ops/inbox/{shown}"),
            await browser.post(f"/ops/inbox/{shown}/replay"),
        ]

    assert [(404, "There is no such notification")] * 2 == [(p.status, p.title) for p in pages]


async def test_a_body_is_shown_once_to_whoever_says_why(house: House) -> None:
    """Without what names a person; in the answer to the form and on no page after it."""
    kept = await house.notification(b'{"status": "odd", "customerName": "Marmalade"}')
    path = f"{HERE}/{kept['id']}"

    async with browsing.signed_in(house, READ, Scope.PII_READ) as browser:
        page = await browser.submit(
            await browser.get(path), f"{path}/body", purpose="investigation", reason="ticket 4711"
        )
        later = await browser.get(path)
    async with browsing.signed_in(house, READ, WRITE) as observer:
        refused = await observer.post(f"{path}/body", purpose="investigation", reason="ticket")

    assert '"status": "odd"' in page.text
    assert "Marmalade" not in page.html
    assert '"odd"' not in later.text
    assert 403 == refused.status
    reads = (await house.get("/api/ops/pii-access", Scope.AUDIT_READ)).json()["data"]
    assert ("investigation", "ticket 4711") == (reads[0]["purpose"], reads[0]["reason"])
