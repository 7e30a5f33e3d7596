"""Deposits from the command line: one JSON document, and an exit code that says what was found."""

import asyncio
from pathlib import Path
from typing import Any

from tests.journeys.depositors import Depositors, depositors
from tests.support.commands import Payops
from tests.support.process import payops
from tests.support.waiting import eventually


async def run(place: Depositors, *arguments: str) -> dict[str, Any]:
    return await asyncio.to_thread(payops, place.environ, *arguments)


async def test_what_nobody_told_of_is_found_by_reconciling(own_url: str, tmp_path: Path) -> None:
    """
    Paid, finished, not a word, and no poll for an hour: the command credits it, and exits with 0.
    """
    async with depositors(own_url, tmp_path, CRYPTO__POLL_SECONDS=3_600) as place:
        await place.ask("11")
        await place.quiet_book()
        before = await place.states(["11"])
        found = await run(place, "reconcile", "crypto")
        again = await run(place, "reconcile", "crypto")
        shown = await run(place, "crypto", "show", place.invoices["11"])
        verified = await run(place, "ledger", "verify")

        assert {"11": "waiting"} == before
        assert (0, 1, 1, 0) == tuple(
            found[name] for name in ("exit_code", "checked", "credited", "breaks")
        )
        assert (0, 1, 0, 0) == tuple(
            again[name] for name in ("exit_code", "checked", "credited", "breaks")
        )
        assert ("finished", "99.11") == (shown["status"], shown["credited"]["amount"])
        assert (0, True) == (verified["exit_code"], verified["ok"])
        assert {"USD": "99.11"} == await place.wallet("user-11")


async def test_a_difference_that_stays_is_exit_code_1(own_url: str, tmp_path: Path) -> None:
    """
    The provider forgot everything that it settled: a break, and nothing is taken from anybody.
    """
    async with depositors(own_url, tmp_path) as place:
        await place.ask("01")
        await place.come_to({"01": "finished"})
        await place.control("reset")
        found = await run(place, "reconcile", "crypto")
        verified = await run(place, "ledger", "verify")

        assert (1, 1, 1) == tuple(found[name] for name in ("exit_code", "checked", "breaks"))
        assert 0 == verified["exit_code"]
        assert {"USD": "99.01"} == await place.wallet("user-01")
        listed = (await place.http.get(f"{place.base}/api/ops/breaks")).json()["data"]
        assert ["not_known"] == [one["kind"] for one in listed]


async def test_the_figures_on_the_command_line_are_those_of_the_api(
    own_url: str, tmp_path: Path
) -> None:
    """
    The same names and numbers, and a line of bars for people.
    """
    async with depositors(own_url, tmp_path) as place:
        await asyncio.gather(place.ask("01"), place.ask("36"), place.ask("33"))
        await place.come_to({"01": "finished", "36": "waiting", "33": "expired"})
        printed = await run(place, "crypto", "metrics")
        answered = (await place.http.get(f"{place.base}/api/ops/crypto/metrics")).json()
        table = await asyncio.to_thread(
            Payops(tmp_path, {**place.environ, "PATH": ""}).run, "crypto", "metrics"
        )

    assert 0 == printed.pop("exit_code")
    ages = ("timestamp",)
    assert {n: v for n, v in printed.items() if n not in ages} == {
        n: v for n, v in answered.items() if n not in ages
    }
    assert (1, 1, 1) == (answered["pending"], answered["finished"], answered["failed"])
    assert 0 == table.code, table.err
    assert "█" in table.out


async def test_a_halt_on_the_command_line_is_known_to_the_service(
    own_url: str, tmp_path: Path
) -> None:
    """
    Another process stops taking invoices within a second; what is under way is credited.
    """
    async with depositors(own_url, tmp_path) as place:
        await place.ask("01")
        halted = await run(place, "switches", "halt", "deposits", "--reason", "a rehearsal")

        async def refused() -> bool:
            return (await place.ask("02")).status_code == 503

        await eventually(refused, within=2)
        await place.come_to({"01": "finished"})
        listed = await run(place, "switches", "list")

    assert (0, True) == (halted["exit_code"], halted["halted"])
    assert ["deposits"] == [one["name"] for one in listed["data"] if one["halted"]]


async def test_a_rate_set_on_the_command_line_prices_the_next_invoice(
    own_url: str, tmp_path: Path
) -> None:
    """
    With its spread taken off, dated, and with its reason in the list.
    """
    async with depositors(own_url, tmp_path) as place:
        made = await run(
            place, "fx", "set", "125", "--spread-bps", "200", "--reason", "central bank"
        )
        asked = await place.ask("01", amount="1225", currency="KES")
        wrong = await asyncio.to_thread(
            Payops(tmp_path, {**place.environ, "PATH": ""}).run,
            *("fx", "set", "zero", "--reason", "x"),
        )

    assert (0, "122.5") == (made["exit_code"], made["rateForPayer"].rstrip("0"))
    assert (201, "122.5") == (asked.status_code, asked.json()["rate"].rstrip("0"))
    assert 2 == wrong.code
