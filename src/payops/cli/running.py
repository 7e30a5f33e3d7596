"""From a command to the services and back: settings, logs, one event loop, exit codes."""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from pydantic import BaseModel

    from payops.bootstrap import Services
    from payops.infra.settings import Settings
    from payops.ops.service import Operations

CHECK_FAILED: Final = 1
USAGE: Final = 2
COULD_NOT_RUN: Final = 3

_ACTOR_LENGTH_MAX: Final = 64
_PIPE_WIDTH: Final = 240  # a table that goes to a file is not squeezed into a screen

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output")]

errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)

_named: list[str] = []


def act_as(name: str | None) -> None:
    """Keep who is at the keyboard; exits with 2 when that is no name."""
    _named.clear()
    if name is None:
        return
    if not (name.isprintable() and 1 <= len(name.strip()) <= _ACTOR_LENGTH_MAX):
        errors.print(f"--actor takes a name of 1 to {_ACTOR_LENGTH_MAX} characters")
        raise typer.Exit(USAGE)
    _named.append(name.strip())


def actor() -> str:
    """Who acts, as the audit log has it: ``person:jane``."""
    if _named:
        return f"person:{_named[0]}"
    try:
        return f"person:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"person:uid-{os.getuid()}"


def load_settings(*, beside: bool = True) -> "Settings":
    """The settings of this process; in development, with this checkout's own secrets.

    And, ``beside`` a running ``payops dev``, with the providers that it has.

    Exits with 3 and the variables named when they cannot be used; no value is shown.
    """
    from pydantic import ValidationError

    from payops.infra.settings import unknown_names

    try:
        settings = read_settings(beside=beside)
    except ValidationError as error:
        for line in setting_faults(error):
            errors.print(line)
        raise typer.Exit(COULD_NOT_RUN) from None
    for name in unknown_names(os.environ):
        errors.print(f"{name} is not a setting of payops; ignored")
    return settings


def read_settings(*, beside: bool = True) -> "Settings":
    """Raises Pydantic's ``ValidationError``; ``setting_faults`` says it without the values."""
    from payops.infra.settings import PREFIX, Environment, Settings

    if os.environ.get(f"{PREFIX}ENV") in (None, "", Environment.DEVELOPMENT):
        with suppress(ImportError):
            from payops.dev import secrets, whereabouts

            secrets.fill_in(os.environ)
            if beside:
                whereabouts.fill_in(os.environ)
    return Settings()


def setting_faults(error: Any) -> Iterator[str]:
    """What Pydantic found wrong, by the name of the variable."""
    from payops.infra.settings import PREFIX

    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = PREFIX + "__".join(str(part).upper() for part in fault["loc"])
        yield f"{name}: {fault['msg']}" if fault["loc"] else fault["msg"]


@contextmanager
def database_for(settings: "Settings") -> Iterator["Settings"]:
    """``settings`` with a database: the one given, else this checkout's own server.

    Exits with 3 when there is neither; production is never given one.
    """
    from pydantic import SecretStr

    from payops.infra.settings import Environment

    if settings.database_url is not None or settings.env is Environment.PRODUCTION:
        yield settings
        return
    try:
        from payops.dev import postgres, secrets
    except ImportError:
        errors.print("PAYOPS_DATABASE_URL is not set")
        raise typer.Exit(COULD_NOT_RUN) from None
    try:
        with postgres.database(None, secrets.FOLDER) as url:
            yield settings.model_copy(update={"database_url": SecretStr(url)})
    except postgres.PostgresUnavailable as error:
        errors.print(str(error))
        raise typer.Exit(COULD_NOT_RUN) from None


def with_services(work: Callable[["Services"], Awaitable[T]]) -> T:
    """Run ``work`` with connected services and close them; logs go to standard error.

    Exits with 3 when it cannot be run: not configured, no database, not migrated.
    """
    from payops import bootstrap
    from payops.infra import logging

    settings = load_settings()
    logging.configure(settings.log, stream=sys.stderr)

    async def run(settings: "Settings") -> T:
        services = await bootstrap.assemble(settings)
        try:
            return await work(services)
        finally:
            await services.close()

    with explained(), database_for(settings) as complete:
        return asyncio.run(run(complete))


def with_operations(work: Callable[["Operations"], Awaitable[T]]) -> T:
    """As ``with_services``, with what the operator's use cases need of them."""
    from payops.app import operations_of

    return with_services(lambda services: work(operations_of(services)))


@contextmanager
def explained() -> Iterator[None]:
    """What cannot be done is said in one line, and the exit code is 3."""
    try:
        yield
    except Exception as error:
        said = _explanation(error)
        if said is None:
            raise
        errors.print(said)
        raise typer.Exit(COULD_NOT_RUN) from None


def _explanation(error: Exception) -> str | None:
    """Words for what was foreseeable; ``None`` for a fault of our own."""
    import asyncpg

    from payops.kernel.errors import PayopsError, Unavailable

    cause = getattr(error, "orig", None) or error.__cause__
    match error:
        case PayopsError():
            faults = "".join(f"\n  {fault.pointer} {fault.detail}" for fault in error.faults)
            is_told = isinstance(error, Unavailable) and isinstance(cause, _connecting(asyncpg))
            return f"{error.code}: {error}{f' ({cause})' if is_told else ''}{faults}"
        case asyncpg.UndefinedTableError() | asyncpg.UndefinedColumnError():
            return "the database has another schema than this version: run `payops migrate`"
        case ValueError() | OSError():
            return str(error)
    is_told = isinstance(error, _connecting(asyncpg))
    return f"the database cannot be used: {error}" if is_told else None


def _connecting(asyncpg: Any) -> tuple[type[Exception], ...]:
    """What happens before any statement of ours, whose words hold no data."""
    return (
        OSError,
        asyncpg.PostgresConnectionError,
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
        asyncpg.CannotConnectNowError,
        asyncpg.TooManyConnectionsError,
    )


@contextmanager
def progress(description: str) -> Iterator[Callable[[int, str], None]]:
    """A bar on standard error while the block runs: call it with what is done, and a remark.

    How much there will be is not known, so it shows that there is movement. Only at a terminal.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} {task.fields[remark]}"),
        TimeElapsedColumn(),
    )
    bar: Progress = Progress(
        *columns, console=errors, transient=True, disable=not errors.is_terminal
    )
    with bar:
        task = bar.add_task(description, total=None, remark="")
        yield lambda done, remark: bar.update(task, completed=done, remark=remark)


def print_json(document: object) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=2, default=str, ensure_ascii=False) + "\n")


def print_reply(reply: "BaseModel", *, with_nulls: bool = False) -> None:
    """A wire model as the one JSON document, as the API would send it."""
    print_json(reply.model_dump(mode="json", by_alias=True, exclude_none=not with_nulls))


def console() -> Console:
    """Standard output for tables."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False)
