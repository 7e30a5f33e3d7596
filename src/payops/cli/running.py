"""From a command to the services and back: settings, logs, one event loop, exit codes."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import structlog
import typer
from pydantic import SecretStr, ValidationError
from rich.console import Console

from payops import bootstrap
from payops.bootstrap import Services
from payops.infra import logging
from payops.infra.settings import PREFIX, Environment, Settings, unknown_names
from payops.kernel.errors import PayopsError

CHECK_FAILED = 1
USAGE = 2
COULD_NOT_RUN = 3

T = TypeVar("T")

errors = Console(stderr=True, soft_wrap=True, highlight=False)
log = structlog.get_logger(__name__)


def load_settings() -> Settings:
    """The settings of this process; in development, with this checkout's own secrets.

    Exits with 3 and the variables named when they cannot be used; no value is shown.
    """
    if os.environ.get(f"{PREFIX}ENV", Environment.DEVELOPMENT) == Environment.DEVELOPMENT:
        with suppress(ImportError):
            from payops.dev import secrets  # noqa: PLC0415 - not part of the product's image

            secrets.fill_in(os.environ)
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = PREFIX + "__".join(str(part).upper() for part in fault["loc"])
            errors.print(f"{name}: {fault['msg']}" if fault["loc"] else fault["msg"])
        raise typer.Exit(COULD_NOT_RUN) from None
    for name in unknown_names(os.environ):
        errors.print(f"{name} is not a setting of payops; ignored")
    return settings


@contextmanager
def database_for(settings: Settings) -> Iterator[Settings]:
    """``settings`` with a database: the one given, else this checkout's own server.

    Exits with 3 when there is neither; production is never given one.
    """
    if settings.database_url is not None or settings.env is Environment.PRODUCTION:
        yield settings
        return
    try:
        from payops.dev import postgres, secrets  # noqa: PLC0415 - not in the product's image
    except ImportError:
        errors.print("PAYOPS_DATABASE_URL is not set")
        raise typer.Exit(COULD_NOT_RUN) from None
    try:
        with postgres.database(None, secrets.FOLDER) as url:
            yield settings.model_copy(update={"database_url": SecretStr(url)})
    except postgres.PostgresUnavailable as error:
        errors.print(str(error))
        raise typer.Exit(COULD_NOT_RUN) from None


def with_services(work: Callable[[Services], Awaitable[T]]) -> T:
    """Run ``work`` with connected services and close them; logs go to standard error.

    Exits with 3 when it cannot be run: not configured, no database.
    """
    settings = load_settings()
    logging.configure(settings.log, stream=sys.stderr)

    async def run(settings: Settings) -> T:
        services = bootstrap.build(settings)
        try:
            return await work(services)
        finally:
            await services.close()

    with database_for(settings) as complete, explained():
        return asyncio.run(run(complete))


@contextmanager
def explained() -> Iterator[None]:
    """What cannot be done is said in one line, and the exit code is 3."""
    try:
        yield
    except PayopsError as error:
        errors.print(f"{error.code}: {error}")
        raise typer.Exit(COULD_NOT_RUN) from None
    except ValueError as error:
        errors.print(str(error))
        raise typer.Exit(COULD_NOT_RUN) from None


def print_json(document: object) -> None:
    """The one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=2, default=str, ensure_ascii=False) + "\n")
