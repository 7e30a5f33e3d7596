"""``payops dev``: everything on one machine, with demo data and curl lines that work."""

import os
import socket
import sys
from contextlib import AsyncExitStack
from typing import Final

from payops import bootstrap, sandbox
from payops.cli import banner, serving
from payops.cli.running import database_for, explained, load_settings
from payops.cli.seeding import seeded
from payops.dev import secrets
from payops.dev.whereabouts import Whereabouts, announced
from payops.infra import logging
from payops.infra.migrating import migrate
from payops.infra.settings import (
    PUBLIC_URL,
    SANDBOX_LIPANA_URL,
    SANDBOX_NOWPAYMENTS_URL,
    Environment,
    Settings,
)

_DEMO_USD_KES: Final = "129.50"  # until somebody records a rate with `payops fx set`


def dev() -> None:
    """Serve API, worker and sandbox with demo data; Ctrl-C stops everything."""
    secrets.fill_in(os.environ)
    os.environ.setdefault("PAYOPS_LOG__FORMAT", "console")
    os.environ.setdefault("PAYOPS_LOG__LEVEL", "warning")
    os.environ.setdefault("PAYOPS_CRYPTO__USD_KES_RATE", _DEMO_USD_KES)
    settings = load_settings(beside=False)
    logging.configure(settings.log, stream=sys.stderr)
    with explained():
        if settings.env is Environment.PRODUCTION:
            raise ValueError("demo data and production do not go together: use `payops serve`")
        with (
            serving.bind(settings.host, settings.port) as listening,
            database_for(_here(settings, listening)) as complete,
        ):
            serving.run_loop(_run(complete, listening))


async def _run(settings: Settings, listening: socket.socket) -> None:
    await migrate(bootstrap.needed(settings.database_url, "PAYOPS_DATABASE_URL"))
    async with AsyncExitStack() as stack:
        complete = await _with_providers(settings, stack)
        demo = await seeded(complete)

        def ready() -> None:
            stack.enter_context(announced(_ours(complete)))
            banner.show(complete, demo)

        await serving.run(complete, listening, ready=ready)


def _here(settings: Settings, listening: socket.socket) -> Settings:
    """Port 0 is known by now; callbacks come to it, unless another address was given."""
    port = listening.getsockname()[1]
    public = settings.public_url
    return settings.model_copy(
        update={
            "port": port,
            "public_url": f"http://127.0.0.1:{port}" if public == PUBLIC_URL else public,
        }
    )


def _ours(settings: Settings) -> Whereabouts:
    """What another process needs to know of this one."""
    providers = {
        "PAYOPS_LIPANA__BASE_URL": settings.lipana.base_url,
        "PAYOPS_NOWPAYMENTS__BASE_URL": settings.nowpayments.base_url,
        "PAYOPS_BTCPAY__BASE_URL": settings.btcpay.base_url or "",
    }
    return Whereabouts(
        os.getpid(),
        f"http://127.0.0.1:{settings.port}",
        settings.lipana.base_url.removesuffix("/v1"),
        {name: url for name, url in providers.items() if url},
    )


async def _with_providers(settings: Settings, stack: AsyncExitStack) -> Settings:
    """A sandbox on a free port for the time of ``stack``, for the providers not given otherwise."""
    urls = {
        "lipana": settings.lipana.base_url == SANDBOX_LIPANA_URL,
        "nowpayments": settings.nowpayments.base_url == SANDBOX_NOWPAYMENTS_URL,
        "btcpay": settings.btcpay.base_url is None,
    }
    imitated = [name for name, is_imitated in urls.items() if is_imitated]
    if not imitated:
        return settings
    where = await stack.enter_async_context(sandbox.running(_imitation(settings)))
    groups = {
        name: getattr(settings, name).model_copy(update={"base_url": getattr(where, f"{name}_url")})
        for name in imitated
    }
    return settings.model_copy(update=groups)


def _imitation(settings: Settings) -> sandbox.Settings:
    """Providers that know our keys, sign with our secrets and call us."""
    lipana, nowpayments, btcpay = settings.lipana, settings.nowpayments, settings.btcpay
    return sandbox.Settings(
        api_key=bootstrap.needed(lipana.api_key, "PAYOPS_LIPANA__API_KEY"),
        webhook_secret=bootstrap.needed(lipana.webhook_secret, "PAYOPS_LIPANA__WEBHOOK_SECRET"),
        callback_url=f"{settings.public_url}/webhooks/mpesa",
        nowpayments=sandbox.NowPayments(
            api_key=bootstrap.needed(nowpayments.api_key, "PAYOPS_NOWPAYMENTS__API_KEY"),
            ipn_secret=bootstrap.needed(nowpayments.ipn_secret, "PAYOPS_NOWPAYMENTS__IPN_SECRET"),
            outcome_coin=nowpayments.outcome_currency and nowpayments.outcome_currency.lower(),
        ),
        btcpay=sandbox.Btcpay(
            api_key=bootstrap.needed(btcpay.api_key, "PAYOPS_BTCPAY__API_KEY"),
            webhook_secret=bootstrap.needed(btcpay.webhook_secret, "PAYOPS_BTCPAY__WEBHOOK_SECRET"),
            store_id=btcpay.store_id or "",
            webhook_url=f"{settings.public_url}/webhooks/btcpay",
        ),
    )
