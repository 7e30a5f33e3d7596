"""Personal data: keys rotated under traffic, who read what, and shredding."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.table import Table

from payops.cli.running import (
    CHECK_FAILED,
    COULD_NOT_RUN,
    USAGE,
    Json,
    actor,
    console,
    errors,
    print_json,
    print_reply,
    with_operations,
    with_services,
)
from payops.pii.domain import Purpose

if TYPE_CHECKING:
    from payops.bootstrap import Services
    from payops.pii.service import Erasure, Finding, Rotated

app = typer.Typer(help="Personal data", no_args_is_help=True, rich_markup_mode=None)

_WEEK: Final = 7


@app.callback()
def pii() -> None:
    """Sealed values and their keys; every read of one is on record."""


@app.command()
def rotate(
    batch: Annotated[int, typer.Option(min=1, max=5_000, help="Rows per transaction")] = 500,
    as_json: Json = False,
) -> None:
    """Seal everything anew under the first key, while traffic goes on; may be interrupted.

    Exit code 1: something is left, and it is said what and why. Run it again to continue.
    """
    interrupted = asyncio.Event()
    done = with_services(lambda services: _rotate(services, batch, interrupted))
    if as_json:
        print_json(_rotated_as_json(done))
    else:
        _tell_rotated(done)
    for fault in done.faults:
        errors.print(fault)
    if interrupted.is_set() and not done.is_complete:
        errors.print("interrupted; run it again to continue")
        raise typer.Exit(COULD_NOT_RUN)
    if not done.is_complete:
        raise typer.Exit(CHECK_FAILED)


@app.command("access-report")
def access_report(
    week: Annotated[bool, typer.Option("--week", help="The last seven days [default]")] = False,
    days: Annotated[int | None, typer.Option(min=1, max=366, help="The last so many days")] = None,
    as_json: Json = False,
) -> None:
    """Who read personal data for what, and of how many users."""
    from payops.ops.personal_data import report

    if week and days is not None:
        errors.print("--week and --days exclude each other")
        raise typer.Exit(USAGE)
    found = with_operations(lambda operations: report(operations, days or _WEEK))
    if as_json:
        print_reply(found)
        return
    table = Table("who", "why", "reads", "users")
    for one in found.data:
        table.add_row(one.actor, one.purpose, f"{one.reads:,}", f"{one.users:,}")
    console().print(table)


@app.command()
def accesses(  # noqa: PLR0917 - typer passes options by name
    user: Annotated[str | None, typer.Option(help="Of this user")] = None,
    who: Annotated[str | None, typer.Option(help="By them: person:jane, key:key_…")] = None,
    purpose: Annotated[Purpose | None, typer.Option(help="For this purpose")] = None,
    subject: Annotated[str | None, typer.Option(help="For this payment or notification")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most")] = 20,
    cursor: Annotated[str | None, typer.Option(help="nextCursor of the page before")] = None,
    as_json: Json = False,
) -> None:
    """Each read of personal data, newest first; what was read is not part of it."""
    from payops.ops.records import Reads, reads

    wanted = Reads(user_id=user, actor=who, purpose=purpose, subject=subject)
    page = with_services(lambda services: reads(services.db, wanted, cursor, limit))
    if as_json:
        print_reply(page)
        return
    table = Table("when", "who", "for", "about", "user", "field", "from", "why")
    for one in page.data:
        table.add_row(
            f"{one.at:%Y-%m-%d %H:%M:%S}",
            one.actor,
            one.purpose,
            one.subject,
            one.user_id,
            one.field,
            one.origin,
            one.reason or "-",
        )
    console().print(table)
    if page.next_cursor:
        typer.echo(f"There are more: --cursor {page.next_cursor}")


@app.command()
def erase(
    user: Annotated[str, typer.Argument(metavar="USER")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False,
    as_json: Json = False,
) -> None:
    """Shred what the law does not make us keep of a user; never an entry of the books."""
    from payops.access.domain import is_user_id

    if not is_user_id(user):
        errors.print("that is not a user id")
        raise typer.Exit(USAGE)
    if as_json and not (yes or dry_run):
        errors.print("--json needs --yes or --dry-run: there is nobody to ask")
        raise typer.Exit(USAGE)
    found = with_services(lambda services: _survey(services, user))
    if not as_json:
        _tell_findings(found)
    erased: dict[str, int] = {}
    if not dry_run:
        if not yes:
            typer.confirm(f"Shred this of {user}, for ever?", abort=True)
        erased = with_services(lambda services: _erase(services, user))
    if as_json:
        print_json({"user": user, "erased": erased, "found": [_as_json(one) for one in found]})
    for name, count in {} if as_json else erased.items():
        typer.echo(f"{name}: {count:,} shredded")


async def _rotate(services: "Services", batch: int, interrupted: asyncio.Event) -> "Rotated":
    from payops.bootstrap import SEALED_COLUMNS
    from payops.pii.service import Rotation

    rotation = Rotation(
        services.db, services.personal_data, SEALED_COLUMNS, actor=actor(), batch=batch
    )

    def interrupt() -> None:
        interrupted.set()
        rotation.stop()

    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, interrupt)
    with _bar("Sealing anew", await rotation.rows()) as show:
        return await rotation.run(show)


def _classes(services: "Services") -> "list[Erasure]":
    from payops.ops.service.personal_data import erasures

    return erasures(services.settings.retention)


async def _survey(services: "Services", user: str) -> "list[Finding]":
    from payops.app import operations_of
    from payops.ops import service

    return await service.survey(operations_of(services), user, _classes(services))


async def _erase(services: "Services", user: str) -> dict[str, int]:
    from payops.app import operations_of
    from payops.ops import service

    return await service.erase(operations_of(services), user, _classes(services), actor=actor())


def _as_json(finding: "Finding") -> dict[str, object]:
    holding = finding.holding
    return {
        "name": finding.name,
        "erasable": holding.erasable,
        "kept": holding.kept,
        "keptUntil": holding.kept_until.isoformat() if holding.kept_until else None,
    }


def _rotated_as_json(done: "Rotated") -> dict[str, object]:
    return {
        "ok": done.is_complete,
        "resealed": done.resealed,
        "remaining": done.remaining,
        "keyIds": dict(sorted(done.key_ids.items())),
        "missingKeyIds": dict(sorted(done.missing.items())),
        "broken": done.broken,
    }


def _tell_findings(found: "Sequence[Finding]") -> None:
    table = Table("what", "goes now", "stays", "at the longest until")
    for one in found:
        until = one.holding.kept_until
        table.add_row(
            one.name,
            f"{one.holding.erasable:,}",
            f"{one.holding.kept:,}",
            f"{until:%Y-%m-%d}" if until else "-",
        )
    console().print(table)


def _tell_rotated(done: "Rotated") -> None:
    typer.echo(f"{done.resealed:,} values sealed anew")
    for column, count in sorted(done.remaining.items()):
        typer.echo(f"{column}: {count:,} values are left")
    for key_id, count in sorted(done.key_ids.items()):
        typer.echo(f"key {key_id}: {count:,} values")
    if done.is_complete:
        typer.echo(
            "No value needs another key than the first. When every process runs with that one in "
            "front and this finds nothing to do, the others may go."
        )


@contextmanager
def _bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """How far a pass is, at a terminal; a further pass begins anew."""
    from rich.progress import Progress

    bar: Progress = Progress(console=errors, transient=True, disable=not errors.is_terminal)
    with bar:
        task = bar.add_task(description, total=total)
        yield lambda done: bar.update(task, completed=done)
