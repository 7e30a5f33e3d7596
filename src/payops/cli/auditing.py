"""The audit log: read, held against its chain, taken out for auditors."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from payops.audit.domain import Head, Verification
from payops.cli.running import (
    CHECK_FAILED,
    USAGE,
    Json,
    actor,
    console,
    errors,
    print_json,
    print_reply,
    progress,
    with_services,
)

if TYPE_CHECKING:
    from payops.bootstrap import Services
    from payops.ops.exporting.writing import Exported

app = typer.Typer(help="The audit log", no_args_is_help=True, rich_markup_mode=None)

_FORMATS: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"]


@app.callback()
def audit() -> None:
    """What was done, by whom, and the chain that shows when a record was touched."""


@app.command("list")
def list_records(  # noqa: PLR0917 - typer passes options by name
    user: Annotated[str | None, typer.Option(help="About this user")] = None,
    subject: Annotated[str | None, typer.Option(help="About this id: wd_…, inv_…, key_…")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind")] = None,
    request_id: Annotated[str | None, typer.Option(help="Of this request")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most")] = 20,
    cursor: Annotated[str | None, typer.Option(help="nextCursor of the page before")] = None,
    as_json: Json = False,
) -> None:
    """What was done, by whom, to what; newest first."""
    from payops.ops.records import Acts, acts

    wanted = Acts(user_id=user, subject=subject, kind=kind, request_id=request_id)
    page = with_services(lambda services: acts(services.db, wanted, cursor, limit))
    if as_json:
        print_reply(page)
        return
    table = Table("when", "what", "who", "user", "about", "detail")
    for entry in page.data:
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.kind,
            entry.actor,
            entry.user_id or "-",
            entry.subject or "-",
            " ".join(f"{name}={value}" for name, value in entry.detail.items()),
        )
    console().print(table)
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}")


@app.command()
def verify(
    anchor: Annotated[
        str | None,
        typer.Option(help="A head from the log (audit.sealed), against a chain that was rewritten"),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A folder that was exported; needs no database")
    ] = None,
    as_json: Json = False,
) -> None:
    """Seal what is not sealed yet, then check every row; exit code 1 if one was touched."""
    try:
        head = None if anchor is None else Head.parse(anchor)
    except ValueError as error:
        errors.print(str(error))
        raise typer.Exit(USAGE) from None
    if bundle is not None:
        _verify_bundle(bundle, head, as_json=as_json)
        return
    found = with_services(lambda services: _verified(services, head))
    if as_json:
        print_json({"ok": found.ok, "rows": found.rows, "firstBad": found.first_bad})
    elif found.ok:
        typer.echo(f"{found.rows:,} rows are as they were written; the chain ends at {found.head}")
    if not found.ok:
        errors.print(f"{found.first_bad}: {found.reason}")
        raise typer.Exit(CHECK_FAILED)


@app.command()
def export(
    since: Annotated[
        datetime, typer.Option("--from", formats=_FORMATS, help="Inclusive, UTC if not said")
    ],
    until: Annotated[datetime, typer.Option("--to", formats=_FORMATS, help="Exclusive, likewise")],
    out: Annotated[Path, typer.Option(help="A folder that is empty or not there yet")],
    as_json: Json = False,
) -> None:
    """Ledger, audit log, decisions and access log of a period, in a folder that proves itself.

    What is not sealed yet is sealed first; the act is recorded.
    """
    done = with_services(lambda services: _exported(services, out, _utc(since), _utc(until)))
    manifest = done.manifest
    if as_json:
        print_json(
            {
                "out": str(done.folder),
                "from": manifest.since,
                "to": manifest.until,
                "manifestSha256": done.manifest_sha256,
                "chainEndsAt": str(manifest.chain.last) if manifest.chain else None,
                "files": {entry.name: entry.rows for entry in manifest.files},
            }
        )
        return
    for entry in manifest.files:
        typer.echo(f"{entry.name:<20} {entry.rows:>12,} rows  sha256 {entry.sha256}")
    typer.echo(f"the manifest's SHA-256, to be handed over apart: {done.manifest_sha256}")
    if manifest.chain:
        typer.echo(f"the chain ends at {manifest.chain.last}")


async def _verified(services: "Services", head: Head | None) -> Verification:
    from payops.audit import service

    await service.seal(services.db)
    with progress("Checking the chain") as show:
        return await service.verify(
            services.db, anchor=head, progress=lambda rows: show(rows, "rows")
        )


async def _exported(
    services: "Services", out: Path, since: datetime, until: datetime
) -> "Exported":
    from payops.ops.exporting.writing import export as write

    with progress("Exporting") as show:
        return await write(services.db, out, since, until, actor=actor(), progress=show)


def _verify_bundle(folder: Path, anchor: Head | None, *, as_json: bool) -> None:
    from payops.ops.exporting.verifying import verify as verify_bundle

    if not folder.is_dir():
        errors.print(f"{folder} is not a folder")
        raise typer.Exit(USAGE)
    verdict = verify_bundle(folder, anchor=anchor)
    if as_json:
        print_json(
            {
                "ok": verdict.ok,
                "rows": verdict.rows,
                "firstBad": verdict.faults[0].partition(": ")[0] if verdict.faults else None,
                "faults": verdict.faults,
                "manifestSha256": verdict.manifest_sha256,
                "chainEndsAt": str(verdict.chain.last) if verdict.chain else None,
            }
        )
    elif verdict.ok:
        typer.echo(f"{verdict.rows:,} rows agree with each other and with the chain")
        typer.echo(f"the manifest's SHA-256 is {verdict.manifest_sha256}")
        if verdict.chain:
            typer.echo(f"the chain ends at {verdict.chain.last}")
    for fault in verdict.faults:
        errors.print(fault)
    if not verdict.ok:
        raise typer.Exit(CHECK_FAILED)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
