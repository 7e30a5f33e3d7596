"""Personal data: sealed, opened on record, and who opened what."""

from datetime import datetime, timedelta
from typing import Final

from payops.audit import service as audit
from payops.audit.domain import ID_PREFIX as AUDIT
from payops.kernel.ids import new_id, show_id
from payops.ops.checklists.domain import ID_PREFIX, Finding, attention, failed, passed
from payops.ops.checklists.parts import By, Parts
from payops.pii import service as pii
from payops.pii.domain import BY_PEOPLE, HOUSE, Access, Msisdn, Place, Purpose
from payops.pii.errors import QuotaReached

_SAMPLE: Final = Msisdn("254708374149")  # the number the rail itself documents for tests
_WEEK: Final = timedelta(days=7)


async def personal_data_sealed(parts: Parts, by: By) -> Finding:
    """A sample is sealed, opened under a name and a purpose, and looked for in both logs."""
    sample_id = new_id()
    subject = show_id(ID_PREFIX, sample_id)
    place = Place("check_results", "sample", HOUSE, sample_id)
    phone = parts.personal_data.seal_phone(place, _SAMPLE)
    is_readable = _SAMPLE.digits.encode() in phone.sealed + phone.index
    access = Access(
        by.actor,
        Purpose.INVESTIGATION,
        subject,
        by.request_id,
        origin="checklist",
        reason="operations checklist: a sealed sample",
    )
    try:
        async with parts.db.transaction() as tx:
            opened = await parts.personal_data.open_phone(tx, place, phone.sealed, access)
    except QuotaReached as refusal:
        return attention(f"not opened: {refusal}", sample=subject)
    async with parts.db.transaction(read_only=True) as tx:
        reads = await pii.accesses(tx, subject=subject)
        trail = await audit.history(tx, subject=subject)
    proofs = [show_id(AUDIT, entry.id) for entry in trail if entry.kind == "personal_data_opened"]
    evidence = {
        "sample": subject,
        "shown": phone.masked,
        "sealedBytes": len(phone.sealed),
        "accessLog": [{"actor": read.actor, "purpose": read.purpose} for read in reads],
        "auditLog": proofs,
    }
    if is_readable or opened != _SAMPLE:
        return failed("a sealed number can be read, or cannot be opened", **evidence)
    if [(read.actor, read.purpose) for read in reads] != [(by.actor, Purpose.INVESTIGATION)]:
        return failed("opening it left no row in the access log", **evidence)
    if len(proofs) != 1:
        return failed("opening it left no evidence in the audit log", **evidence)
    return passed("sealed, opened once, and both logs say by whom and why", **evidence)


async def personal_data_reads(parts: Parts, _: By) -> Finding:
    async with parts.db.transaction(read_only=True) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        tallies = await pii.access_report(tx, now - _WEEK)
    people = [tally for tally in tallies if tally.purpose in BY_PEOPLE]
    evidence = {
        "since": (now - _WEEK).isoformat(),
        "byPeople": [
            {"actor": t.actor, "purpose": t.purpose, "reads": t.reads, "users": t.users}
            for t in people
        ],
        "byTheService": sum(tally.reads for tally in tallies if tally.purpose not in BY_PEOPLE),
    }
    if not people:
        return passed("no person opened anything in seven days", **evidence)
    reads = sum(tally.reads for tally in people)
    who = ", ".join(sorted({tally.actor for tally in people})[:5])
    return attention(f"{reads} reads by {who}: ask whether each had to be", **evidence)
