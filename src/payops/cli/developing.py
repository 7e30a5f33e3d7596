"""``payops dev``: everything on one machine, with demo data and curl lines that work."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack

from payops import bootstrap, sandbox
from payops.cli import banner, serving
from payops.cli.running import database_for, explained, load_settings
from payops.cli.seeding import seeded
from payops.dev import secrets
from payops.infra import logging
from payops.infra.migrating import migrate
from payops.infra.settings import PUBLIC_URL, SANDBOX_LIPANA_URL, Settings


def dev() -> None:
    """Serve API, worker and sandbox with demo data; Ctrl-C stops everything."""
    secrets.fill_in(os.environ)
    os.environ.setdefault("PAYOPS_LOG__FORMAT", "console")
    os.environ.setdefault("PAYOPS_LOG__LEVEL", "warning")
    settings = load_settings()
    logging.configure(settings.log, stream=sys.stderr)
    with explained(), database_for(settings) as complete:
        asyncio.run(_run(complete))


async def _run(settings: Settings) -> None:
    await migrate(bootstrap.needed(settings.database_url, "PAYOPS_DATABASE_URL"))
    async with AsyncExitStack() as stack:
        complete = await _with_rail(_with_public_url(settings), stack)
        demo = await seeded(complete)
        await serving.run(complete, ready=lambda _: banner.show(complete, demo))


def _with_public_url(settings: Settings) -> Settings:
    """Callbacks come to the port that is served, unless an address was given."""
    if settings.public_url != PUBLIC_URL:
        return settings
    return settings.model_copy(update={"public_url": f"http://127.0.0.1:{settings.port}"})


async def _with_rail(settings: Settings, stack: AsyncExitStack) -> Settings:
    """A sandbox for the time of ``stack``, unless another rail was given."""
    lipana = settings.lipana
    if lipana.base_url != SANDBOX_LIPANA_URL:
        return settings
    rail = await stack.enter_async_context(
        sandbox.running(
            sandbox.Settings(
                api_key=bootstrap.needed(lipana.api_key, "PAYOPS_LIPANA__API_KEY"),
                webhook_secret=bootstrap.needed(
                    lipana.webhook_secret, "PAYOPS_LIPANA__WEBHOOK_SECRET"
                ),
                callback_url=f"{settings.public_url}/webhooks/mpesa",
            )
        )
    )
    return settings.model_copy(
        update={"lipana": lipana.model_copy(update={"base_url": rail.lipana_url})}
    )
