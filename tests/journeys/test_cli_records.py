"""From the command line: breaks, alerts, the audit log, rules' history, and invoices."""

import asyncio
from pathlib import Path

import pytest

from payops.kernel.ids import new_id
from payops.reconciliation.domain import show_break
from tests.journeys.depositors import depositors
from tests.support.commands import Payops
from tests.support.postgres import apart, connected
from tests.support.process import payops as run_payops

pytestmark = pytest.mark.slow  # each command is a process of its own

NO_BREAK = "brk_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
def payops(url: str, tmp_path: Path) -> Payops:
    return Payops.on(url, tmp_path)


def planted(url: str, sql: str, *arguments: object) -> None:
    async def work() -> None:
        async with connected(url) as connection:
            await connection.execute(sql, *arguments)

    apart(work)


def test_a_break_is_listed_taken_on_and_explained(payops: Payops, url: str) -> None:
    """By a person with a name; closed, it is not there any more."""
    one = new_id()
    planted(
        url,
        "INSERT INTO reconciliation_breaks (id, provider, kind, subject, user_id, detail)"
        " VALUES ($1, 'nowpayments', 'not_known', '4711', 'usr_amina', '{\"ours\": \"1\"}')",
        one,
    )
    shown = show_break(one)

    (listed,) = payops.run("breaks", "list", "--json").json["data"]
    taken = payops.run("breaks", "take", shown, "--actor", "jane", "--json").json
    table = payops.run("breaks", "list")
    wordless = payops.run("breaks", "explain", shown, "--reason", "")
    closed = payops.run("breaks", "explain", shown, "--reason", "their outage", "--actor", "jane")
    again = payops.run("breaks", "explain", shown, "--reason", "their outage")
    unknown = payops.run("breaks", "take", NO_BREAK)

    assert (shown, "not_known", "4711") == tuple(listed[n] for n in ("id", "kind", "payment"))
    assert "person:jane" == taken["owner"]
    assert all(text in table.out for text in (shown, "person:jane", "ours=1"))
    assert (3, True) == (wordless.code, "/reason" in wordless.err)
    assert (0, True) == (closed.code, "is explained" in closed.out)
    assert [(3, True)] * 2 == [(e.code, "break_not_found" in e.err) for e in (again, unknown)]
    acts = payops.run("audit", "list", "--subject", shown, "--json").json["data"]
    assert [("break_explained", "person:jane"), ("break_taken_on", "person:jane")] == [
        (act["kind"], act["actor"]) for act in acts
    ]


def test_an_alert_is_ended_with_a_reason(payops: Payops, url: str) -> None:
    """Unless it ends with its cause."""
    for key in ("webhook_parked:whk_x", "ledger_out_of_balance"):
        planted(
            url,
            "INSERT INTO alerts (id, key, kind, severity, summary, detail)"
            " VALUES ($1, $2, split_part($2, ':', 1), 'warning', 'A test.', '{}')",
            new_id(),
            key,
        )
    ids = {one["key"]: one["id"] for one in payops.run("alerts", "list", "--json").json["data"]}

    ended = payops.run("alerts", "resolve", ids["webhook_parked:whk_x"], "--reason", "a copy")
    stands = payops.run("alerts", "resolve", ids["ledger_out_of_balance"], "--reason", "noise")

    assert (0, True) == (ended.code, "is over" in ended.out)
    assert (3, True) == (stands.code, "alert_stands" in stands.err)
    left = payops.run("alerts", "list", "--json").json["data"]
    assert ["ledger_out_of_balance"] == [one["key"] for one in left]


def test_the_audit_log_is_read_page_by_page(payops: Payops) -> None:
    """By kind and about whom; the newest first."""
    for name in ("one", "two"):
        payops.run("users", "block", f"usr_{name}", "--reason", name)

    first = payops.run("audit", "list", "--kind", "user_blocked", "--limit", "1", "--json").json
    second = payops.run(
        *("audit", "list", "--kind", "user_blocked", "--cursor", first["nextCursor"], "--json")
    ).json
    of_one = payops.run("audit", "list", "--user", "usr_one")
    wrong = payops.run("audit", "list", "--cursor", "!")

    users = [page["data"][0]["userId"] for page in (first, second)]
    assert (["usr_two", "usr_one"], False) == (users, second["hasMore"])
    assert (0, True, False) == (of_one.code, "usr_one" in of_one.out, "usr_two" in of_one.out)
    assert 3 == wrong.code


def test_the_history_of_a_rule_says_who_changed_what_and_why(payops: Payops) -> None:
    """Newest first; of one rule or of all."""
    rule = "user-withdrawals-per-hour"
    for limit, name in (("2", "jane"), ("1", "john")):
        payops.run("velocity", "change", rule, "--limit", limit, "--reason", "r", "--actor", name)

    versions = payops.run("velocity", "history", "--rule", rule, "--json").json["data"]
    table = payops.run("velocity", "history")
    others = payops.run("velocity", "history", "--rule", "another", "--json").json

    assert [(1, "john"), (2, "jane")] == [
        (one["rule"]["limit"], one["changedBy"].removeprefix("person:")) for one in versions
    ]
    assert (0, True) == (table.code, f"{rule} v2" in table.out)
    assert {"data": []} == others


async def test_invoices_are_found_and_read_back(own_url: str, tmp_path: Path) -> None:
    """By user, by state, and by the id of the provider; a retry has the worker read it again."""
    async with depositors(own_url, tmp_path, CRYPTO__POLL_SECONDS=3_600) as place:
        asked = (await place.ask("01")).json()
        environ = {**place.environ, "PATH": ""}
        found = await asyncio.to_thread(
            run_payops, place.environ, "crypto", "invoices", "list", "--user", "user-01"
        )
        none = await asyncio.to_thread(
            run_payops, place.environ, "crypto", "invoices", "list", "--status", "refunded"
        )
        (invoice,) = found["data"]
        by_theirs = await asyncio.to_thread(
            run_payops,
            place.environ,
            *("crypto", "invoices", "list", "--q", invoice["providerReference"]),
        )
        table = await asyncio.to_thread(Payops(tmp_path, environ).run, "crypto", "invoices", "list")
        retried = await asyncio.to_thread(
            run_payops, place.environ, "crypto", "invoices", "retry", invoice["invoiceId"]
        )
        unknown = await asyncio.to_thread(
            Payops(tmp_path, environ).run, "crypto", "invoices", "retry", "inv_x"
        )

    assert [invoice["invoiceId"]] == [one["invoiceId"] for one in by_theirs["data"]]
    assert (asked["invoiceId"], []) == (invoice["invoiceId"], none["data"])
    assert (0, True) == (table.code, invoice["invoiceId"] in table.out)
    assert (0, 1) == (retried["exit_code"], retried["payments"])
    assert (3, True) == (unknown.code, "invoice_not_found" in unknown.err)
