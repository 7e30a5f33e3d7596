"""The pages of crypto deposits: figures, rates, what the providers sell, and breaks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from payops.access.domain import Scope
from payops.deposits.domain.states import State
from tests.support import browsing
from tests.support.api import AMINA, Api, running_api
from tests.support.browsing import Browser
from tests.support.house import House
from tests.support.mint import Mint

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
HERE, RATES = "/ops/crypto", "/ops/crypto/rates"
NOBODYS = "brk_01h455vb4pex5vsknk084sn02q"
SETTINGS: dict[str, Any] = {
    "crypto": {"usd_kes_rate": "130"},
    "velocity": {"deposits_per_hour": 0},
}


@dataclass(frozen=True)
class Bureau:
    api: Api
    mint: Mint
    house: House
    jane: Browser
    observer: Browser

    async def invoice(self, key: str) -> dict[str, Any]:
        body = {"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"}
        made = await self.api.back_end.post(
            "/api/crypto/invoices", json=body, headers={"Idempotency-Key": key}
        )
        assert 201 == made.status_code, made.text
        shown: dict[str, Any] = made.json()
        return shown

    async def settles(self, shown: dict[str, Any]) -> None:
        self.mint.arrives(shown["providerReference"], "0.02")
        for state in (State.CONFIRMING, State.FINISHED):
            self.mint.becomes(shown["providerReference"], state)
            await self.api.shop.execute(
                "UPDATE deposit_payments SET due_at = now() WHERE due_at IS NOT NULL"
            )
            await self.api.services.deposits.reader.due()

    async def breaks(self) -> str:
        """The provider lost a payment that was credited; the id of the break."""
        shown = await self.invoice("k")
        await self.settles(shown)
        del self.mint.book[shown["providerReference"]]
        await self.api.services.deposit_reconciliation.everything()
        (found,) = (await self.api.back_end.get("/api/ops/breaks")).json()["data"]
        return str(found["id"])


@pytest.fixture
async def bureau(url: str) -> AsyncIterator[Bureau]:
    mint = Mint()
    async with running_api(url, SETTINGS, crypto=[mint]) as api:
        house = House(api.services, api.app, api.stranger)
        async with (
            browsing.signed_in(house, READ, WRITE) as jane,
            browsing.signed_in(house, READ, owner="ada") as observer,
        ):
            yield Bureau(api, mint, house, jane, observer)


async def test_the_figures_are_those_of_the_api(bureau: Bureau) -> None:
    """Counted now; averages of nothing are said to be none."""
    empty = await bureau.observer.get(HERE)
    await bureau.invoice("a")
    await bureau.settles(await bureau.invoice("b"))

    page = await bureau.observer.get(HERE)

    assert "nothing to average" == empty.facts["From money to settled"]
    assert ("1", "1", "0") == tuple(
        page.facts[n] for n in ("Waiting and confirming", "Finished in 24 h", "Paid and stuck")
    )
    assert "0 min" in page.facts["From money to settled"]
    assert 24 == page.html.count('class="bar-good"')
    assert "1, 0 h ago" in page.text


async def test_a_rate_is_set_and_the_ones_before_it_stay(bureau: Bureau) -> None:
    """For whoever may; in the list with who and why."""
    page = await bureau.jane.get(HERE)
    first = await bureau.jane.submit(page, RATES, rate="129.5", reason="central bank")
    after = await bureau.jane.submit(
        first, RATES, rate="131", spreadBps="100", reason="<script>alert(1)</script>"
    )
    listed = await bureau.observer.get(RATES)

    assert "configuration" == page.facts["Set by"]
    assert ("Done.", "131") == (after.said, after.facts["USD/KES"].rstrip("0").rstrip("."))
    assert after.facts["For the payer"].startswith("129.69")
    assert [("100", "<script>alert(1)</script>"), ("0", "central bank")] == [
        (row["Spread, bps"], row["Reason"]) for row in listed.rows
    ]
    assert all(row["By"].startswith("key:") for row in listed.rows)
    assert "<script>alert" not in listed.html + after.html


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate", "0"),
        ("rate", "129,5"),
        ("rate", "1e3"),
        ("spreadBps", "2001"),
        ("spreadBps", "-1"),
        ("spreadBps", "1.5"),
        ("spreadBps", "true"),
        ("reason", "r" * 501),
    ],
)
async def test_a_rate_that_cannot_be_is_refused_with_its_field(
    bureau: Bureau, field: str, value: str
) -> None:
    """The rules are the API's; nothing is recorded."""
    given = {"rate": "130", "spreadBps": "0", "reason": "r"} | {field: value}

    refused = await bureau.jane.submit(await bureau.jane.get(HERE), RATES, **given)
    listed = (await bureau.api.back_end.get("/api/ops/fx/rates")).json()["data"]

    assert 422 == refused.status
    assert field in refused.text
    assert ["configuration"] == [one["setBy"] for one in listed]


async def test_what_each_provider_can_be_paid_in_is_asked_now(bureau: Bureau) -> None:
    """On a page of its own."""
    page = await bureau.observer.get("/ops/crypto/currencies")

    assert page.text.startswith("Currencies")
    assert "mint BTC ETH XRP" in page.text


async def test_a_break_is_taken_on_and_explained(bureau: Bureau) -> None:
    """Its owner is who looks into it; explained, it is gone from the list and on record."""
    identity = await bureau.breaks()
    page = await bureau.jane.get(HERE)

    taken = await bureau.jane.submit(page, f"{HERE}/breaks/{identity}/take")
    after = await bureau.jane.submit(
        taken, f"{HERE}/breaks/{identity}/explain", reason="their outage"
    )
    again = await bureau.jane.submit(
        taken, f"{HERE}/breaks/{identity}/explain", reason="their outage"
    )

    assert ("mint", AMINA, "nobody") == tuple(
        page.rows[0][name] for name in ("Provider", "User", "Looked into by")
    )
    assert page.rows[0]["Kind"].startswith("not known")
    assert taken.rows[0]["Looked into by"].startswith("key:")
    assert f"{HERE}/breaks/{identity}/take" not in taken.actions
    assert ("Done.", []) == (after.said, after.rows)
    assert 404 == again.status


async def test_an_observer_changes_nothing(bureau: Bureau) -> None:
    """Neither by the page nor past it."""
    identity = await bureau.breaks()

    page = await bureau.observer.get(HERE)
    refused = [
        await bureau.observer.post(path, rate="1", reason="r", spreadBps="0")
        for path in (RATES, f"{HERE}/breaks/{identity}/take", f"{HERE}/breaks/{identity}/explain")
    ]

    assert ([], 1) == (page.actions, len(page.rows))
    assert [403] * 3 == [answer.status for answer in refused]
    assert page.rows == (await bureau.observer.get(HERE)).rows


@pytest.mark.parametrize("shown", [NOBODYS, "nonsense"])
async def test_there_is_no_such_break(bureau: Bureau, shown: str) -> None:
    """A page says so."""
    pages = [
        await bureau.jane.post(f"{HERE}/breaks/{shown}/{act}", reason="r")
        for act in ("take", "explain")
    ]

    assert [404, 404] == [page.status for page in pages]
