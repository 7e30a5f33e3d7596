"""What each answer to a question about a payout means, in both dialects."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpcore
import httpx
import pytest
import respx

from payops.pii.domain import Msisdn
from payops.providers.lipana import search
from payops.providers.lipana.adapter import LipanaRail
from payops.withdrawals.domain import show
from payops.withdrawals.ports import (
    Candidates,
    NoAnswer,
    NotKnown,
    Outcome,
    Question,
    Report,
    StatusAnswer,
)

PHONE = Msisdn("254700000000")
TXID = show(UUID("01934f00-0000-7000-8000-000000000001"))
OTHER_TXID = show(UUID("01934f00-0000-7000-8000-000000000002"))
SENT_AT = datetime.fromisoformat("2026-11-22T09:00:00+00:00")
ENVELOPE = {"success": False, "message": "No"}


def question(reference: str | None = None) -> Question:
    return Question(TXID, PHONE, 1500, SENT_AT, reference)


def row(reference: str = "p1", *, minutes: int = 0, **more: Any) -> dict[str, Any]:
    """A payout as the list shows it, made ``minutes`` after the first send."""
    return {
        "id": reference,
        "status": "success",
        "amount": 1500,
        "recipientPhone": PHONE.digits,
        "payoutMethod": "phone",
        "createdAt": (SENT_AT + timedelta(minutes=minutes)).isoformat(),
    } | more


def report(reference: str | None = "p1", **more: Any) -> Report:
    given: dict[str, Any] = {
        "outcome": Outcome.PAID,
        "reference": reference,
        "amount_minor": 150_000,
        "phone": PHONE,
    }
    return Report(**given | more)


def listing(*pages: list[dict[str, Any]], pagination: bool = True) -> list[httpx.Response]:
    total = {"pages": len(pages)}
    return [
        httpx.Response(
            200,
            json={"success": True, "data": rows}
            | ({"pagination": {"page": number} | total} if pagination else {}),
        )
        for number, rows in enumerate(pages, 1)
    ]


READINGS: dict[str, tuple[httpx.Response, StatusAnswer]] = {
    "all there is": (
        httpx.Response(
            200,
            json={
                "success": True,
                "payout": row(transactionId=TXID, metadata={"mpesaReceiptNumber": "TKM1234567"}),
            },
        ),
        report(txid=TXID, receipt="TKM1234567"),
    ),
    "completed, under data": (
        httpx.Response(200, json={"data": {"id": "p1", "status": "COMPLETED"}}),
        Report(Outcome.PAID, reference="p1"),
    ),
    "processing": (
        httpx.Response(200, json={"id": 7, "status": "processing"}),
        Report(Outcome.PENDING, reference="7"),
    ),
    "failed, with reason": (
        httpx.Response(
            200, json={"payout": {"id": "p1", "status": "failed", "message": "No", "code": "E"}}
        ),
        Report(Outcome.FAILED, reference="p1", code="E", message="No"),
    ),
    "about another payout": (
        httpx.Response(200, json={"payout": {"transactionId": OTHER_TXID, "status": "success"}}),
        Report(Outcome.PAID, txid=OTHER_TXID),
    ),
    "cents": (
        httpx.Response(200, text='{"id": "p1", "status": "success", "amount": 1500.50}'),
        Report(Outcome.PAID, reference="p1", amount_minor=150_050),
    ),
    "an exponent": (
        httpx.Response(200, text='{"id": "p1", "status": "success", "amount": 1.5e3}'),
        Report(Outcome.PAID, reference="p1", amount_minor=150_000),
    ),
    "a masked phone": (
        httpx.Response(200, json=row(recipientPhone="2547****0000")),
        report(phone=None),
    ),
    "a phone that is none": (
        httpx.Response(200, json=row(recipientPhone="12")),
        report(phone=None),
    ),
    "no fraction of a cent": (
        httpx.Response(200, text='{"id": "p1", "status": "success", "amount": 1500.001}'),
        NoAnswer("unreadable: amount"),
    ),
    "a huge exponent": (
        httpx.Response(200, text='{"id": "p1", "status": "success", "amount": 1e99999999}'),
        NoAnswer("unreadable: amount"),
    ),
    "an exponent beyond all": (
        httpx.Response(200, text='{"amount": 1e9999999999999999999}'),
        NoAnswer("unreadable: not JSON"),
    ),
    "another currency": (
        httpx.Response(200, json=row(currency="USD")),
        NoAnswer("unreadable: currency"),
    ),
    "a list for a currency": (
        httpx.Response(200, json=row(currency=[])),
        NoAnswer("unreadable: currency"),
    ),
    "a new status": (httpx.Response(200, json=row(status="held")), NoAnswer("unreadable: status")),
    "no status": (httpx.Response(200, json={"id": "p1"}), NoAnswer("unreadable: status")),
    "no id": (httpx.Response(200, json={"status": "success"}), NoAnswer("unreadable: no id")),
    "a receipt that is none": (
        httpx.Response(200, json=row(receipt=5)),
        NoAnswer("unreadable: receipt"),
    ),
    "no success": (httpx.Response(200, json=ENVELOPE), NoAnswer("success is not true")),
    "html": (httpx.Response(200, html="<p>wait</p>"), NoAnswer("unreadable: not JSON")),
    "accepted": (httpx.Response(202, json=row()), NoAnswer("HTTP 202")),
    "404": (httpx.Response(404, json=ENVELOPE), NotKnown()),
    "404 in html": (httpx.Response(404, html="<p>no</p>"), NoAnswer("HTTP 404")),
    "401": (httpx.Response(401, json=ENVELOPE), NoAnswer("HTTP 401")),
    "429": (httpx.Response(429, json=ENVELOPE), NoAnswer("HTTP 429")),
    "a redirect": (httpx.Response(302), NoAnswer("HTTP 302")),
}


@pytest.mark.parametrize(("reply", "expected"), READINGS.values(), ids=READINGS)
async def test_asking_by_our_id_gets_one_of_the_closed_union(
    network: respx.Router, rail: LipanaRail, reply: httpx.Response, expected: StatusAnswer
) -> None:
    """The rail's own record is reported as it is said, or not at all."""
    network.get(f"/payouts/{TXID}").mock(return_value=reply)

    assert expected == await rail.ask(question())


@pytest.mark.parametrize(("reply", "expected"), READINGS.values(), ids=READINGS)
async def test_asking_the_blind_rail_by_its_id_reads_the_same(
    network: respx.Router, blind_rail: LipanaRail, reply: httpx.Response, expected: StatusAnswer
) -> None:
    """Once the rail's id is known the dialects differ in the id only."""
    network.get("/payouts/p1").mock(return_value=reply)

    assert expected == await blind_rail.ask(question("p1"))


@pytest.mark.parametrize("failure", [httpcore.ConnectError, httpcore.ReadTimeout, OSError])
async def test_a_question_that_cannot_be_put_has_no_answer(
    network: respx.Router, rail: LipanaRail, failure: type[Exception]
) -> None:
    """The network's failures say nothing about the payout."""
    network.get(f"/payouts/{TXID}").mock(side_effect=failure(""))

    assert NoAnswer(failure.__name__) == await rail.ask(question())


async def test_an_id_is_quoted_in_the_path(network: respx.Router, blind_rail: LipanaRail) -> None:
    """An id of the rail's cannot lead to another address."""
    route = network.route(method="GET").mock(return_value=httpx.Response(404, json=ENVELOPE))

    await blind_rail.ask(question("a/../b?c#d"))

    assert b"/v1/payouts/a%2F..%2Fb%3Fc%23d" == route.calls.last.request.url.raw_path


@pytest.mark.parametrize("sends_reference", [True, False])
async def test_a_lookup_by_id_that_fails_at_the_server_falls_back_to_the_list(
    network: respx.Router, rail: LipanaRail, blind_rail: LipanaRail, *, sends_reference: bool
) -> None:
    """Some rails answer 500 to a lookup by id; the list has the payout under the same id."""
    asked = rail if sends_reference else blind_rail
    network.get(path__regex="/payouts/.+").mock(return_value=httpx.Response(500))
    mine = row("p1", minutes=-30, transactionId=TXID)
    others = [{"id": True}, row("p2", transactionId=OTHER_TXID)]
    network.get("/payouts").mock(side_effect=listing(others, [mine]))

    assert report(txid=TXID) == await asked.ask(question("p1"))


async def test_not_in_the_list_is_no_proof_after_a_failed_lookup(
    network: respx.Router, rail: LipanaRail
) -> None:
    """An error is never read as not found, also not by way of the list."""
    network.get(f"/payouts/{TXID}").mock(return_value=httpx.Response(500))
    network.get("/payouts").mock(side_effect=listing([row("p2")]))

    assert NoAnswer("not in the list") == await rail.ask(question())


async def test_an_unreadable_payout_found_in_the_list_is_no_answer(
    network: respx.Router, rail: LipanaRail
) -> None:
    """It is the right one, but what it says is not understood."""
    network.get(f"/payouts/{TXID}").mock(return_value=httpx.Response(500))
    network.get("/payouts").mock(side_effect=listing([row(transactionId=TXID, status="held")]))

    assert NoAnswer("list: status unreadable") == await rail.ask(question())


async def test_the_blind_rail_is_searched_by_phone_amount_and_time(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """Every payout that could be ours is a candidate; which are claimed is not known here."""
    rows = [
        row("late", minutes=121),
        row("b", minutes=1, status="failed"),
        row("other-phone", recipientPhone="254700000001"),
        row("other-amount", amount=1501),
        row("till", payoutMethod="till", recipientPhone="12345"),
        row("a", minutes=-2),
        row("early", minutes=-3),
    ]
    network.get("/payouts").mock(side_effect=listing(rows))

    expected = (report("b", outcome=Outcome.FAILED), report("a"))
    assert Candidates(expected) == await blind_rail.ask(question())


async def test_reading_stops_once_it_has_passed_the_time_in_question(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """A list that runs from new to old need not be read to its end."""
    pages = listing([row("a")], [row("b", minutes=-3)], [row("c", minutes=-4)])
    route = network.get("/payouts").mock(side_effect=pages)

    assert Candidates((report("a"),)) == await blind_rail.ask(question())
    assert 2 == route.call_count
    assert {"page": "2", "limit": "100"} == dict(route.calls.last.request.url.params)


async def test_a_list_in_another_order_is_read_to_its_end(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """An old payout proves nothing about the next page when older ones come first."""
    pages = listing([row("c", minutes=-4), row("b", minutes=-3)], [row("a")])
    network.get("/payouts").mock(side_effect=pages)

    assert Candidates((report("a"),)) == await blind_rail.ask(question())


async def test_a_whole_list_without_a_match_is_not_known(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """Only a list that was read to the end can say that there is nothing."""
    network.get("/payouts").mock(side_effect=listing([row("a", amount=20)], []))

    assert NotKnown() == await blind_rail.ask(question())


async def test_page_numbers_without_a_count_leave_the_end_to_an_empty_page(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """A page that bears its number only does not say which is the last."""
    pages = [
        httpx.Response(200, json={"data": rows, "pagination": {"page": number}})
        for number, rows in enumerate(([row("a", amount=20)], [row("b")], []), 1)
    ]
    network.get("/payouts").mock(side_effect=pages)

    assert Candidates((report("b"),)) == await blind_rail.ask(question())


async def test_without_page_numbers_only_an_empty_page_is_the_end(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """A short page may be the rail's own limit."""
    pages = listing([row("a", amount=20)], [row("b")], [], pagination=False)
    network.get("/payouts").mock(side_effect=pages)

    assert Candidates((report("b"),)) == await blind_rail.ask(question())


async def test_a_payout_seen_on_two_pages_is_one_candidate(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """New payouts push older ones to the next page while we read."""
    network.get("/payouts").mock(side_effect=listing([row("a")], [row("a"), row("b")]))

    assert Candidates((report("a"), report("b"))) == await blind_rail.ask(question())


@pytest.mark.parametrize(
    "doubtful",
    [
        {"createdAt": None},
        {"createdAt": "2026-11-22T09:00:00"},
        {"createdAt": "yesterday"},
        {"recipientPhone": "2547****0000"},
        {"recipientPhone": "12"},
        {"recipientPhone": None},
        {"amount": None},
        {"amount": "a lot"},
        {"id": None},
        {"id": None, "transactionId": TXID},
        {"status": "held"},
    ],
    ids=str,
)
async def test_a_payout_that_may_be_ours_but_cannot_be_read_leaves_no_answer(
    network: respx.Router, blind_rail: LipanaRail, doubtful: dict[str, Any]
) -> None:
    """Neither candidates nor not-known can be said while one of the list is in doubt."""
    network.get("/payouts").mock(side_effect=listing([row("a"), row("b", **doubtful)]))

    assert isinstance(await blind_rail.ask(question()), NoAnswer)


LISTS: dict[str, tuple[list[httpx.Response], str]] = {
    "second page fails": (
        [*listing([row("a")], [])[:1], httpx.Response(500)],
        "list: HTTP 500",
    ),
    "no such list": ([httpx.Response(404, json=ENVELOPE)], "list: HTTP 404"),
    "no list": (
        [httpx.Response(200, json={"data": "none"})],
        "list: unreadable: no list of payouts",
    ),
    "a list of texts": (
        [httpx.Response(200, json={"data": ["a"]})],
        "list: unreadable: no list of payouts",
    ),
    "another page": (
        [httpx.Response(200, json={"data": [row()], "pagination": {"page": 2, "pages": 9}})],
        "list: unreadable: another page than asked for",
    ),
    "the same page again": (
        [httpx.Response(200, json={"data": [row("a")]})] * 2,
        "the list does not go on as it should",
    ),
    "empty before its end": (
        [httpx.Response(200, json={"data": [], "pagination": {"page": 1, "pages": 2}})],
        "the list does not go on as it should",
    ),
}


@pytest.mark.parametrize(("replies", "why"), LISTS.values(), ids=LISTS)
async def test_a_list_that_was_not_read_to_its_end_is_no_answer(
    network: respx.Router, blind_rail: LipanaRail, replies: list[httpx.Response], why: str
) -> None:
    """There could be another candidate on the pages that were not read."""
    network.get("/payouts").mock(side_effect=replies)

    assert NoAnswer(why) == await blind_rail.ask(question())


async def test_a_list_that_never_ends_is_given_up(
    network: respx.Router, blind_rail: LipanaRail
) -> None:
    """The number of pages is bounded."""
    pages = listing(*([row(f"p{number}", amount=20)] for number in range(search.PAGES_MAX + 1)))
    route = network.get("/payouts").mock(side_effect=pages)

    assert NoAnswer("the list is longer than 50 pages") == await blind_rail.ask(question())
    assert search.PAGES_MAX == route.call_count


@pytest.mark.parametrize(
    "body",
    [
        {"success": True, "data": {"payouts": [row()], "pagination": {"page": 1, "pages": 1}}},
        {"payouts": [row()], "pagination": {"pages": 1}},
    ],
    ids=["under data", "at the top"],
)
async def test_the_list_may_have_other_envelopes(
    network: respx.Router, blind_rail: LipanaRail, body: dict[str, Any]
) -> None:
    """As with a single payout, the envelope is not relied on."""
    network.get("/payouts").mock(return_value=httpx.Response(200, json=body))

    assert Candidates((report(),)) == await blind_rail.ask(question())
