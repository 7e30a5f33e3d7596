"""An auditor's folder: whole, provable alone, and false as soon as one byte of it is."""

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from payops.audit import service as audit
from payops.audit.domain import Head
from payops.kernel.errors import Invalid
from payops.ops.exporting import bundle
from payops.ops.exporting.verifying import verify
from payops.ops.exporting.writing import Exported, export
from tests.slices.audit.chain import tamper
from tests.support.shop import AMINA, Shop

EVER = datetime(2020, 1, 1, tzinfo=UTC)
NEVER = datetime(2200, 1, 1, tzinfo=UTC)
JANE = "person:jane"


async def a_day(shop: Shop) -> str:
    """A payout paid, one refused, and some reads of personal data."""
    txid = await shop.is_sent(100)
    await shop.hears({"transactionId": txid, "amountKES": 100, "status": "success"})
    await shop.asks_for(1_000_000)
    return txid


async def exported(shop: Shop, folder: Path, since: datetime = EVER) -> Exported:
    return await export(shop.db, folder, since, NEVER, actor=JANE)


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    text = (folder / name).read_text()
    if name.endswith(".csv"):
        return list(csv.DictReader(text.splitlines()))
    return [json.loads(line) for line in text.splitlines()]


def signed_again(folder: Path) -> None:
    """What a forger would do as well: the manifest fits the files again."""
    manifest = json.loads((folder / bundle.MANIFEST).read_text())
    for entry in manifest["files"]:
        content = (folder / entry["name"]).read_bytes()
        entry["sha256"], entry["bytes"] = sha256(content).hexdigest(), len(content)
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest))


async def test_a_folder_proves_itself(shop: Shop, tmp_path: Path) -> None:
    """Ledger, audit log, decisions and reads are there, and agree with each other."""
    txid = await a_day(shop)

    done = await exported(shop, tmp_path / "out")

    verdict = verify(done.folder)
    assert [] == verdict.faults
    assert done.manifest_sha256 == verdict.manifest_sha256
    kinds = [journal["kind"] for journal in lines(done.folder, bundle.JOURNALS)]
    assert {"credit", "withdrawal_held", "withdrawal_paid"} == set(kinds)
    assert txid in [row["subject"] for row in lines(done.folder, bundle.AUDIT_LOG)]
    assert lines(done.folder, bundle.ACCESS_LOG)
    outcomes = [decision["outcome"] for decision in lines(done.folder, bundle.DECISIONS)]
    assert ["accepted", "refused"] == sorted(outcomes)


async def test_the_chain_it_ends_with_is_the_databases(shop: Shop, tmp_path: Path) -> None:
    """So the head in the log is an anchor for the folder as well, and another one is not."""
    await a_day(shop)
    done = await exported(shop, tmp_path / "out")
    chain = done.manifest.chain
    assert chain

    assert verify(done.folder, anchor=chain.last).ok
    assert not verify(done.folder, anchor=Head(chain.last.seq, b"\x01" * 32)).ok
    assert not verify(done.folder, anchor=Head(chain.last.seq + 7, chain.last.hash)).ok


async def test_a_period_has_its_own_part_of_everything(shop: Shop, tmp_path: Path) -> None:
    """Openings carry what was before, and the chain is taken up where it was."""
    await a_day(shop)
    await audit.seal(shop.db)
    rows = await shop.fetch("SELECT now() AS now")
    await a_day(shop)

    done = await exported(shop, tmp_path / "out", since=rows[0]["now"])

    assert [] == verify(done.folder).faults
    assert done.manifest.chain
    balances = {row["account"]: row for row in lines(done.folder, bundle.BALANCES)}
    assert "10000" == balances["mpesa:clearing"]["opening_minor_units"]
    assert "20000" == balances["mpesa:clearing"]["closing_minor_units"]
    assert 3 == len(lines(done.folder, bundle.JOURNALS))


async def test_the_act_is_on_record(shop: Shop, tmp_path: Path) -> None:
    """With the hash that stands for the whole folder."""
    await a_day(shop)

    done = await exported(shop, tmp_path / "out")

    rows = await shop.fetch("SELECT actor, detail FROM audit_log WHERE kind = 'audit_exported'")
    assert [JANE] == [row["actor"] for row in rows]
    assert done.manifest_sha256 in rows[0]["detail"]


async def test_a_folder_in_use_and_an_empty_period_are_refused(shop: Shop, tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing is made of nothing."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(Invalid):
        await exported(shop, tmp_path)
    with pytest.raises(Invalid):
        await export(shop.db, tmp_path / "a", NEVER, NEVER + timedelta(days=1), actor=JANE)


async def test_an_empty_service_has_an_empty_folder(shop: Shop, tmp_path: Path) -> None:
    """Which is as provable as any other."""
    done = await exported(shop, tmp_path / "out")

    assert None is done.manifest.chain
    assert [] == verify(done.folder).faults


@pytest.mark.parametrize("name", bundle.FILES)
async def test_a_byte_that_was_changed_is_noticed(shop: Shop, tmp_path: Path, name: str) -> None:
    """In every file, by the manifest alone."""
    await a_day(shop)
    done = await exported(shop, tmp_path / "out")
    path = done.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    assert [name] == [fault.partition(":")[0] for fault in verify(done.folder).faults]


def spoil_audit(folder: Path) -> None:
    path = folder / bundle.AUDIT_LOG
    path.write_text(path.read_text().replace('amountMinor\\":10000', 'amountMinor\\":10001', 1))


def drop_audit(folder: Path) -> None:
    path = folder / bundle.AUDIT_LOG
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def cut_chain(folder: Path) -> None:
    """The last block and its rows are gone, as if they had never been."""
    seals, log = folder / bundle.AUDIT_SEALS, folder / bundle.AUDIT_LOG
    *kept, last = seals.read_text().splitlines(keepends=True)
    seals.write_text("".join(kept))
    rows = log.read_text().splitlines(keepends=True)
    log.write_text("".join(rows[: -len(json.loads(last)["row_ids"])]))


def hide_read(folder: Path) -> None:
    path = folder / bundle.ACCESS_LOG
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def excuse_read(folder: Path) -> None:
    path = folder / bundle.ACCESS_LOG
    path.write_text(path.read_text().replace("payout_send", "legal_request", 1))


def shift_money(folder: Path) -> None:
    path = folder / bundle.ENTRIES
    path.write_text(path.read_text().replace(",10000,", ",10001,", 1))


def drop_journal(folder: Path) -> None:
    path = folder / bundle.JOURNALS
    header, _, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([header, *rest]))


def shift_balance(folder: Path) -> None:
    path = folder / bundle.BALANCES
    path.write_text(path.read_text().replace(",0,10000", ",1,10000", 1))


def spoil_text(folder: Path) -> None:
    (folder / bundle.DECISIONS).write_text("{not json\n")


@pytest.mark.parametrize(
    "forge",
    [
        spoil_audit,
        drop_audit,
        cut_chain,
        hide_read,
        excuse_read,
        shift_money,
        drop_journal,
        shift_balance,
        spoil_text,
    ],
)
async def test_a_forged_folder_is_noticed_though_its_manifest_fits(
    shop: Shop, tmp_path: Path, forge: Callable[[Path], None]
) -> None:
    """The files prove each other: one cannot be changed alone."""
    await a_day(shop)
    done = await exported(shop, tmp_path / "out")

    forge(done.folder)
    signed_again(done.folder)

    assert verify(done.folder).faults


async def test_what_was_touched_in_the_database_shows_in_the_folder(
    shop: Shop, url: str, tmp_path: Path
) -> None:
    """The export does not launder: rows go out as they are, blocks as they were."""
    await a_day(shop)
    await audit.seal(shop.db)
    await tamper(url, "UPDATE audit_log SET actor = 'key:nobody' WHERE user_id = $1", AMINA)

    done = await exported(shop, tmp_path / "out")

    assert ["the row was changed"] == [
        fault.partition(": ")[2] for fault in verify(done.folder).faults
    ]


async def test_files_that_are_missing_or_too_many_are_noticed(shop: Shop, tmp_path: Path) -> None:
    """Without a manifest a folder is worth nothing."""
    done = await exported(shop, tmp_path / "out")
    (done.folder / "more.txt").write_text("x")
    assert not verify(done.folder).ok
    (done.folder / "more.txt").unlink()
    (done.folder / bundle.ENTRIES).unlink()
    assert not verify(done.folder).ok
    (done.folder / bundle.MANIFEST).unlink()
    assert [f"{bundle.MANIFEST}: cannot be read (FileNotFoundError)"] == verify(done.folder).faults
