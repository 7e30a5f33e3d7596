"""``payops checklist``: carry out a list of the operations checklist, and show the proof."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import (
    CHECK_FAILED,
    Json,
    actor,
    console,
    print_json,
    progress,
    with_services,
)
from payops.ops.checklists.domain import ListName, Shown, Status

if TYPE_CHECKING:
    from payops.bootstrap import Services


def checklist(
    name: Annotated[ListName, typer.Argument(metavar="NAME", help=", ".join(ListName))],
    last: Annotated[
        bool, typer.Option("--last", help="Only show how it was last run; carry out nothing")
    ] = False,
    evidence: Annotated[bool, typer.Option("--evidence", help="With what was seen")] = False,
    as_json: Json = False,
) -> None:
    """Carry out every line and keep the evidence; exit code 1 if one fails.

    Nothing moves money of real users: what is asked for is asked for by a user of its own.
    """
    from payops.ops.checklists.service import is_ok

    lines = with_services(lambda services: _lines(services, name, last=last))
    is_well = is_ok(lines)
    if as_json:
        print_json({"ok": is_well, "items": [_shown(line, evidence=evidence) for line in lines]})
    else:
        _tell(lines, evidence=evidence)
    raise typer.Exit(0 if is_well else CHECK_FAILED)


async def _lines(services: "Services", name: ListName, *, last: bool) -> list[Shown]:
    from payops.app import checker_of
    from payops.ops.checklists.parts import By

    checker = checker_of(services)
    if last:
        return await checker.latest(name)
    with progress(f"Checking, {name}") as show:
        return await checker.run(name, By(actor()), progress=show)


def _shown(line: Shown, *, evidence: bool) -> dict[str, object]:
    found = line.result
    shown: dict[str, object] = {
        "id": line.item,
        "status": found.status.value if found else None,
        "detail": found.detail if found else "never run on this list",
        "lastPassedAt": line.last_passed_at.isoformat() if line.last_passed_at else None,
    }
    return shown | ({"evidence": found.evidence} if evidence and found else {})


def _tell(lines: list[Shown], *, evidence: bool) -> None:
    table = Table("line", "", "found", "by", "last passed")
    for line in lines:
        found = line.result
        passed = f"{line.last_passed_at:%Y-%m-%d %H:%M}" if line.last_passed_at else "never"
        if found is None:
            table.add_row(line.title, "-", "never run on this list", "", passed)
            continue
        mark = found.status.upper() if found.status is Status.FAIL else found.status.value
        table.add_row(line.title, mark, found.detail, found.ran_by, passed)
    console().print(table)
    for line in lines if evidence else ():
        if line.result:
            console().print(line.item, line.result.evidence)
