"""What a day came to, from payouts and deposits that really happened."""

import csv
from datetime import date, timedelta
from io import BytesIO, StringIO

import openpyxl
import pytest

from payops.infra.mail import Mailer, MailFailed
from payops.kernel.errors import Invalid
from payops.ops.reports.domain import Day
from payops.ops.reports.mailing import Mailing, text_of
from payops.ops.reports.schemas import DailyReply, RowReply
from payops.ops.reports.service import Format, Reports
from tests.support.past import was_accepted
from tests.support.shop import AMINA, BARAKA, Shop
from tests.support.smtp import Relay, relay
from tests.support.till import Till

DAY = Day(date(2026, 3, 14))


@pytest.fixture
async def busy(shop: Shop) -> Shop:
    """A day with three payouts paid, one failed, one cancelled and one that is unclear."""
    txids = []
    for _ in range(3):
        txids.append(await shop.is_sent(100))
        await shop.hears({"transactionId": txids[-1], "amountKES": 100, "status": "success"})
    txids.append(await shop.is_sent(200, user=BARAKA))
    failed = {"transactionId": txids[-1], "amountKES": 200, "status": "failed"}
    await shop.hears(failed | {"errorMessage": "insufficient float"})
    txids.append(await shop.accepts(300))
    await shop.cancels(txids[-1])
    txids.append(await shop.is_lost(50))
    for number, txid in enumerate(txids):
        await was_accepted(shop.db, txid, DAY.since + timedelta(hours=number), seconds=10 * number)
    return shop


def figures(reply: DailyReply, section: str) -> dict[str, RowReply]:
    return {row.item: row for row in reply.figures if row.section == section}


async def test_payouts_of_a_day_are_counted_summed_and_timed(busy: Shop) -> None:
    """Cancelled ones are no failures; percentiles are of those that were paid."""
    reply = DailyReply.of(await Reports(busy.db).daily(DAY))

    found = figures(reply, "payouts")
    assert (3, "300.00") == (found["completed"].count, found["completed"].amount)
    assert (1, "200.00") == (found["failed"].count, found["failed"].amount)
    assert (1, "300.00") == (found["cancelled"].count, found["cancelled"].amount)
    assert "75.0" == found["success rate, percent"].value
    assert "10" == found["seconds until paid, p50"].value
    assert "20" == found["seconds until paid, p95"].value


async def test_exceptions_are_what_is_neither_paid_nor_cancelled(busy: Shop) -> None:
    """With the user, the amount, and why."""
    reply = DailyReply.of(await Reports(busy.db).daily(DAY))

    found = {row.item: row for row in reply.exceptions}
    assert {"failed", "unresolved"} == set(found)
    assert (BARAKA, "200.00") == (found["failed"].user, found["failed"].amount)
    assert (found["failed"].note or "").startswith("payout_failed")
    assert AMINA == found["unresolved"].user
    assert not reply.has_more


async def test_the_day_before_and_the_day_after_are_empty(busy: Shop) -> None:
    """The first moment belongs to the day, the last one to the next."""
    for days in (-1, 1):
        other = Day(DAY.date + timedelta(days=days))
        reply = DailyReply.of(await Reports(busy.db).daily(other))
        assert {} == figures(reply, "payouts")


async def test_a_day_that_has_not_begun_is_refused(shop: Shop) -> None:
    """There is nothing to report, and nobody should read zeros as figures."""
    with pytest.raises(Invalid):
        await Reports(shop.db).daily(Day(date(2200, 1, 1)))


async def test_files_have_every_exception(busy: Shop) -> None:
    """CSV and XLSX say the same as JSON."""
    reports, files = Reports(busy.db), {form: BytesIO() for form in (Format.CSV, Format.XLSX)}
    for form, file in files.items():
        await reports.write(DAY, form, file)

    lines = list(csv.DictReader(StringIO(files[Format.CSV].getvalue().decode("utf-8-sig"))))
    book = openpyxl.load_workbook(BytesIO(files[Format.XLSX].getvalue()))
    exceptions = [line for line in lines if line["section"] == "payout exception"]
    assert 2 == len(exceptions)
    assert 1 + len(exceptions) == book["Exceptions"].max_row
    assert 1 + len(lines) - len(exceptions) == book["Figures"].max_row


async def test_deposits_and_the_books_are_in_the_report_of_today(till: Till) -> None:
    """What was credited is what was posted, per account of the house."""
    invoice = await till.invoice("10.00")
    assert invoice.pay_amount
    await till.settles(invoice, str(invoice.pay_amount))
    await till.invoice("7.00")  # that nobody pays is no exception
    reports = Reports(till.db)
    today = Day((await reports.yesterday()).date + timedelta(days=1))

    reply = DailyReply.of(await reports.daily(today))

    found = figures(reply, "deposits")
    assert (1, "10.00") == (found["finished"].count, found["finished"].amount)
    assert "10.00" == found["finished, credited"].amount
    assert "seconds until settled, p95" in found
    assert "-10.00" == figures(reply, "ledger")["mint:clearing"].amount
    assert [] == reply.exceptions


async def test_the_report_goes_out_by_e_mail(busy: Shop) -> None:
    """Figures only: no user and no withdrawal is named in what leaves the house."""
    async with relay() as taking:
        await mailing(busy, taking).send()
        await mailing(busy, taking).send()

    first, second = taking.messages
    text = text_of(DAY, await Reports(busy.db).daily(DAY))
    assert "completed" in text
    assert "2 exceptions" in text
    assert "payouts and deposits of" in first["Subject"]
    assert first["Message-ID"] == second["Message-ID"]
    assert "in Nairobi" in first.get_content()
    assert AMINA not in text
    assert "wd_" not in text


async def test_a_relay_that_refuses_fails_the_run(busy: Shop) -> None:
    """So that the job's history says that nobody got it."""
    async with relay(says={"DATA": "554 no"}) as taking:
        with pytest.raises(MailFailed):
            await mailing(busy, taking).send()


def mailing(shop: Shop, taking: Relay) -> Mailing:
    mailer = Mailer(f"smtp://127.0.0.1:{taking.port}", "payops@example.test", 5)
    return Mailing(Reports(shop.db), mailer, ("finance@example.test",), "0 4 * * *")
