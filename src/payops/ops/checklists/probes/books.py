"""The schema, the books and the audit log."""

from payops.audit import service as audit
from payops.infra.migrating import current_revision, head_revision
from payops.ledger import service as ledger
from payops.ops.checklists.domain import Finding, failed, passed
from payops.ops.checklists.parts import By, Parts


async def migrations(parts: Parts, _: By) -> Finding:
    async with parts.db.transaction(read_only=True) as tx:
        current = await current_revision(tx)
    head = head_revision()
    if current != head:
        detail = f"the schema is at {current or 'nothing'}, this version wants {head}"
        return failed(f"{detail}: run `payops migrate`", current=current, head=head)
    return passed(f"at {head}", current=current, head=head)


async def ledger_verified(parts: Parts, _: By) -> Finding:
    broken = [violation.name for violation in await ledger.verify(parts.db, parts.invariants)]
    if broken:
        detail = f"{', '.join(broken)}: `payops ledger verify` shows the rows; halt first"
        return failed(detail, violations=broken)
    return passed(f"{len(parts.invariants)} invariants hold", invariants=len(parts.invariants))


async def audit_chain(parts: Parts, _: By) -> Finding:
    """What is not sealed yet is sealed first, so that every row is looked at."""
    await audit.seal(parts.db)
    found = await audit.verify(parts.db)
    if not found.ok:
        evidence = {"rows": found.rows, "firstBad": found.first_bad}
        return failed(f"{found.first_bad}: {found.reason}", **evidence)
    return passed(f"{found.rows:,} rows are as written", rows=found.rows, head=str(found.head))
