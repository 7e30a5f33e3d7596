"""The auditors' pages: what was done, who read personal data, and the folder to take away."""

import io
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from payops.access.domain import Scope
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.fraud.domain.rules import NAIROBI
from payops.ops.exporting.verifying import verify
from tests.support import browsing
from tests.support.house import House, opened

READ, AUDIT = Scope.OPS_READ, Scope.AUDIT_READ
HERE, READS = "/ops/audit", "/ops/audit/reads"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def opened_phone(house: House) -> str:
    """A withdrawal whose number was opened for a reason."""
    made = await house.withdrawal("amina")
    txid: str = made["txId"]
    body = {"purpose": "customer_support", "reason": "ticket 12345"}
    answer = await house.post(f"/api/ops/withdrawals/{txid}/phone", Scope.PII_READ, body=body)
    assert 200 == answer.status_code, answer.text
    return txid


async def test_records_are_found_by_each_filter(house: House) -> None:
    """The user, the subject, the kind, the request; empty filters filter nothing."""
    made = await house.withdrawal("amina")
    await house.withdrawal("baraka")

    async with browsing.signed_in(house, READ, AUDIT) as browser:
        page = await browser.get(HERE)
        (first,) = (await browser.submit(page, HERE, subject=made["txId"])).rows
        found = [
            await browser.submit(page, HERE, **wanted)
            for wanted in (
                {"userId": " amina ", "kind": "withdrawal_initiated"},
                {"requestId": first["Request"], "kind": "withdrawal_initiated"},
                {"userId": "nobody"},
            )
        ]
        followed = await browser.get(page.links[first["Request"]])

    assert ("withdrawal initiated", "amina") == (first["Kind"], first["User"])
    assert [[first], [first], []] == [shown.rows for shown in found]
    assert first in followed.rows
    assert len(page.rows) > 2
    assert "amina" == found[0].form(HERE).values["userId"]


async def test_a_detail_is_shown_whole_and_as_text(house: House) -> None:
    """JSON as it is on record; no word of it is markup."""
    event = AuditEvent(
        kind="tested",
        actor="person:<b>jane</b>",
        subject="<script>alert(1)</script>",
        detail={"reason": "<script>alert(2)</script>", "word": "Nai róbi"},
    )
    async with house.services.db.transaction() as tx:
        await audit.record(tx, [event])

    async with browsing.signed_in(house, READ, AUDIT) as browser:
        page = await browser.get(HERE, kind="tested")

    (row,) = page.rows
    assert "<script>" not in page.html.replace("<script src=", "")
    assert '"reason": "<script>alert(2)</script>"' in row["Detail"]
    assert "Nai róbi" in row["Detail"]
    assert ("person:<b>jane</b>", "<script>alert(1)</script>") == (row["By"], row["Subject"])


async def test_the_rest_of_the_log_keeps_its_filters(house: House) -> None:
    """Twenty to a page."""
    async with house.services.db.transaction() as tx:
        await audit.record(tx, [AuditEvent(kind="tested", actor="a|b&c=d") for _ in range(21)])

    async with browsing.signed_in(house, READ, AUDIT) as browser:
        first = await browser.get(HERE, kind="tested", userId="")
        rest = await browser.get(first.links["Older"])

    assert (20, 1) == (len(first.rows), len(rest.rows))
    assert first.links["Older"].startswith("/ops/audit?kind=tested&cursor=")


async def test_reads_of_personal_data_are_listed_and_counted(house: House) -> None:
    """Who, of whom, for what, in whose words; never what was read."""
    txid = await opened_phone(house)

    async with browsing.signed_in(house, READ, AUDIT) as browser:
        page = await browser.get(READS)
        other = await browser.get(READS, purpose="legal_request", days="1")
        found = await browser.get(READS, purpose="customer_support", userId="amina", actor="")

    counted, read = page.rows
    assert ("customer support", "1", "1") == tuple(counted[n] for n in ("For", "Reads", "Users"))
    assert ("amina", "customer support", "ticket 12345", txid) == tuple(
        read[name] for name in ("User", "For", "Reason", "Of")
    )
    assert [counted] == other.rows
    assert page.rows == found.rows
    assert "254700000001" not in page.html


async def test_the_export_proves_itself(house: House, tmp_path: Path) -> None:
    """A ZIP file of the days that were asked for, the last one included; on record."""
    await house.withdrawal("amina")

    async with browsing.signed_in(house, READ, AUDIT) as browser:
        page = await browser.get(HERE)
        form = page.form(f"{HERE}/export")
        sent = form.filled({"from": "2020-01-01", "to": "2200-01-01"})
        answer = await browser.http.post(
            form.action, data=sent, headers={**browsing.SAME_ORIGIN, **browsing.FORM_TYPE}
        )

    assert (200, "application/zip") == (answer.status_code, answer.headers["content-type"])
    zipfile.ZipFile(io.BytesIO(answer.content)).extractall(tmp_path)
    assert [] == verify(tmp_path).faults
    audited = await house.get("/api/ops/audit", AUDIT, kind="audit_exported")
    assert 1 == len(audited.json()["data"])


async def test_the_last_day_of_an_export_is_part_of_it(house: House, tmp_path: Path) -> None:
    """From today to today, in Nairobi, is all of today so far."""
    await house.withdrawal("amina")
    today = datetime.now(UTC).astimezone(NAIROBI).date().isoformat()
    yesterday = (datetime.now(UTC).astimezone(NAIROBI).date() - timedelta(days=1)).isoformat()

    found = []
    async with browsing.signed_in(house, READ, AUDIT) as browser:
        token = (await browser.get(HERE)).form_token
        for day in (today, yesterday):
            answer = await browser.http.post(
                f"{HERE}/export",
                data={browsing.TOKEN_FIELD: token, "from": day, "to": day},
                headers=browsing.SAME_ORIGIN,
            )
            entries = zipfile.ZipFile(io.BytesIO(answer.content)).read("entries.csv")
            found.append(len(entries.splitlines()) - 1)  # without the heads of the columns

    assert [4, 0] == found


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-02-01", "2026-01-01"),
        ("2026-02-30", "2026-03-01"),
        ("0001-01-01", "2026-01-01"),
        ("2026-01-01", "9999-12-31"),
        ("2026-01-01", "2026-01-02T00:00:00Z"),
    ],
)
async def test_what_is_no_period_is_refused(house: House, since: str, until: str) -> None:
    """On a page that says which field."""
    async with browsing.signed_in(house, READ, AUDIT) as browser:
        page = await browser.get(HERE)
        refused = await browser.submit(page, f"{HERE}/export", **{"from": since, "to": until})

    assert 422 == refused.status
    assert "validation_failed" in refused.text


async def test_the_log_is_for_auditors(house: House) -> None:
    """Who only reads for operations sees none of it."""
    await opened_phone(house)
    async with browsing.signed_in(house, *(set(Scope) - {AUDIT})) as browser:
        pages = [
            await browser.get(HERE),
            await browser.get(READS),
            await browser.post(f"{HERE}/export", **{"from": "2026-01-01", "to": "2026-01-02"}),
        ]

    assert [403] * 3 == [page.status for page in pages]
    assert not [page for page in pages if "ticket 12345" in page.html]
