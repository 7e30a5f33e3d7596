"""Opening the phone number of a withdrawal on its page: who, why, how often, and seen once."""

from collections.abc import AsyncIterator

import pytest

from payops.access.domain import Scope
from payops.withdrawals.domain import read
from tests.http.console.test_withdrawals import NUMBER, WHY, Office, acts, at, open_office
from tests.support import browsing


@pytest.fixture
async def office(url: str) -> AsyncIterator[Office]:
    async with open_office(url) as made:
        yield made


async def test_a_number_is_shown_once_to_whoever_says_why(office: Office) -> None:
    """In the answer to the form and on no page after it; who, what for and why is on record."""
    txid = await office.shop.accepts(100)

    page = await office.does(txid, "phone", **WHY)
    later = await office.shows(txid)
    (record,) = await office.opened(txid)

    assert (200, f"+{NUMBER}") == (page.status, page.said)
    assert "no-store" == page.response.headers["Cache-Control"]
    assert at(txid, "phone") == page.path
    assert "phone" not in acts(page, txid)
    assert NUMBER not in later.html
    assert ("customer_support", "ticket 4711", "withdrawals.phone_sealed") == tuple(
        record[name] for name in ("purpose", "reason", "field")
    )


async def test_the_part_of_the_page_that_is_swapped_in_is_there(office: Office) -> None:
    """With scripts only the number changes: the form names the part, the answer has it."""
    txid = await office.shop.accepts(100)
    before = await office.shows(txid)
    form = before.form(at(txid, "phone")).element

    after = await office.jane.submit(before, at(txid, "phone"), **WHY)

    assert ("#phone", "#phone", form.get("action")) == tuple(
        form.get(name) for name in ("hx-select", "hx-target", "hx-post")
    )
    (part,) = [e for e in after.main.iter() if e.get("id") == "phone"]
    assert f"+{NUMBER}" in browsing.text_of(part)


async def test_only_the_scope_for_it_opens_a_number(office: Office) -> None:
    """Not even those who may do everything else."""
    txid = await office.shop.accepts(100)
    others = [scope for scope in Scope if scope is not Scope.PII_READ]

    async with browsing.signed_in(office.house, *others) as john:
        page = await john.get(at(txid))
        refused = await john.post(at(txid, "phone"), **WHY)

    assert "phone" not in acts(page, txid)
    assert (403, "This needs the scope pii:read" in refused.text) == (refused.status, True)
    assert [] == await office.opened(txid)


async def test_a_quota_ends_it_in_words(office: Office) -> None:
    """The page says that it is enough, and nothing of the number."""
    txid = await office.shop.accepts(100)
    pages = [await office.does(txid, "phone", **WHY) for _ in range(21)]

    assert [200] * 20 + [429] == [page.status for page in pages]
    assert NUMBER not in pages[-1].html
    assert 3500 < int(pages[-1].response.headers["Retry-After"]) <= 3600


async def test_an_erased_number_is_not_offered(office: Office) -> None:
    """A word stands where the mask was; whoever asks all the same is told."""
    txid = await office.shop.accepts(100)
    await office.shop.cancels(txid)
    await office.shop.execute(
        "UPDATE withdrawals SET phone_sealed = '', phone_index = '', phone_masked = 'erased'"
        " WHERE id = $1",
        read(txid),
    )

    page = await office.shows(txid)
    refused = await office.jane.post(at(txid, "phone"), **WHY)

    assert ("erased", ["write-off"]) == (page.facts["Phone"], acts(page, txid))
    assert (409, "was erased" in refused.text) == (refused.status, True)
