"""The HTTP application: routes, edges, health. It decides nothing about money."""

import asyncio
import importlib.metadata
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse
from starlette.responses import Response

from payops.access.api import public
from payops.bootstrap import INVARIANTS, Services
from payops.deposits import api as deposits
from payops.fraud import api as fraud
from payops.infra.metrics import CONTENT_TYPE
from payops.infra.migrating import head_revision
from payops.infra.settings import Environment, Role
from payops.infra.web import reference
from payops.infra.web.middleware import EdgeMiddleware
from payops.infra.web.problem import install_problems
from payops.infra.web.specification import install_specification
from payops.kernel.errors import PayopsError
from payops.ledger import api as ledger
from payops.ops import api as ops
from payops.ops.approvals import api as approvals
from payops.ops.checklists import api as checklists
from payops.ops.checklists.parts import Parts
from payops.ops.checklists.probes import probes_of
from payops.ops.checklists.service import Checker
from payops.ops.console import router as console
from payops.ops.console.parts import Console
from payops.ops.console.signing import Doorkeeper
from payops.ops.crypto import api as crypto
from payops.ops.crypto.service import CryptoDesk
from payops.ops.exporting import api as exporting
from payops.ops.overview import api as overview
from payops.ops.overview.service import OverviewDesk, checks
from payops.ops.reports import api as reports
from payops.ops.reports.service import Reports
from payops.ops.search import api as search
from payops.ops.service import Operations
from payops.ops.switches import api as switches
from payops.ops.switches.service import SwitchDesk
from payops.ops.users import api as users
from payops.ops.velocity import api as velocity
from payops.ops.velocity.service import VelocityDesk
from payops.ops.why import api as why
from payops.switches.domain import DEPOSITS, WITHDRAWALS
from payops.webhooks import api as webhooks
from payops.withdrawals import api as withdrawals
from payops.withdrawals.service import keeping
from payops.worker import Worker

log = structlog.get_logger(__name__)

_FIGURES_SECONDS: Final = 15
_QUIET: Final = frozenset({"livez", "readyz", "metrics"})
_DESCRIPTION: Final = "Moves the money of a wallet platform, exactly once, and can prove it."


class Readiness:
    """Whether this process should get requests: set when started, cleared when it drains."""

    def __init__(self) -> None:
        self.is_serving = False


def create_app(services: Services) -> FastAPI:
    """The application over ``services``, which it starts and closes with its own life."""
    readiness = Readiness()
    app = FastAPI(
        title="payops",
        version=version(),
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_life(services, readiness),
        redirect_slashes=False,
    )
    app.state.gate = services.gate
    app.state.readiness = readiness
    install_problems(app)
    install_specification(app)
    app.add_middleware(
        EdgeMiddleware,
        trusted_proxies=services.settings.trusted_proxies,
        observe=services.metrics.observe_request,
        count_refusal=services.metrics.count_refusal,
        quiet=_QUIET,
        https=services.settings.env is Environment.PRODUCTION,
    )
    if services.settings.role is not Role.WORKER:
        _add_routes(app, services)
    _add_health(app, services, readiness)
    return app


def version() -> str:
    return importlib.metadata.version("payops")


def _add_routes(app: FastAPI, services: Services) -> None:
    # Routes are looked through in this order, so what is called most comes first.
    app.router.routes += webhooks.routes(services.inbox)
    app.include_router(
        withdrawals.router(
            withdrawals.WithdrawalsApi(
                services.db,
                services.withdrawal_desk,
                services.fingerprints,
                services.metrics,
                services.fraud.devices,
            )
        )
    )
    app.include_router(
        ledger.router(ledger.WalletsApi(services.db, services.movement_desk, services.fingerprints))
    )
    app.include_router(deposits.router(deposits_api_of(services)))
    app.include_router(deposits.pages())
    app.include_router(fraud.router(services.db, services.fraud.devices))
    app.include_router(crypto.router(crypto_desk_of(services)))
    app.include_router(switches.router(switch_desk_of(services)))
    app.include_router(ops.router(operations_of(services)))
    app.include_router(approvals.router(approvals_api_of(services)))
    app.include_router(users.router(operations_of(services)))
    app.include_router(velocity.router(VelocityDesk(services.db, services.fraud.changing)))
    app.include_router(checklists.router(checker_of(services)))
    app.include_router(search.router(operations_of(services)))
    app.include_router(why.router(services.db))
    app.include_router(reports.router(Reports(services.db)))
    app.include_router(exporting.router(services.db))
    app.include_router(reference.router(Depends(public)))
    pages = console_of(services)
    app.state.doorkeeper = pages.doorkeeper
    app.include_router(overview.router(pages.overview))
    app.include_router(console.router(pages))


def crypto_desk_of(services: Services) -> CryptoDesk:
    return CryptoDesk(services.db, services.deposits)


def switch_desk_of(services: Services) -> SwitchDesk:
    """Every flow and every provider has a switch."""
    rails = (services.inquiry.rail_name, *services.deposits.registry.names)
    return SwitchDesk(services.db, (WITHDRAWALS, DEPOSITS, *rails), services.four_eyes.approvals)


def overview_desk_of(services: Services) -> OverviewDesk:
    return OverviewDesk(
        services.db,
        services.scheduler,
        switch_desk_of(services),
        services.four_eyes.desk,
        crypto_desk_of(services),
        late_minutes=services.settings.watching.job_late_minutes,
    )


def approvals_api_of(services: Services) -> approvals.ApprovalsApi:
    return approvals.ApprovalsApi(services.four_eyes.desk, services.four_eyes.refunding)


def deposits_api_of(services: Services) -> deposits.DepositsApi:
    return deposits.DepositsApi(
        services.db,
        services.deposits.invoicing,
        services.deposits.registry,
        services.fingerprints,
    )


def operations_of(services: Services) -> Operations:
    """What the operator's use cases need of ``services``."""
    return Operations(
        services.db,
        services.personal_data,
        services.metrics,
        services.inbox,
        services.scheduler,
        INVARIANTS,
        services.four_eyes.approvals,
        services.four_eyes.stakes,
    )


def checker_of(services: Services) -> Checker:
    """The operations checklists, over the services that serve."""
    parts = Parts(
        settings=services.settings,
        db=services.db,
        movements=services.movement_desk,
        withdrawals=services.withdrawal_desk,
        fingerprints=services.fingerprints,
        personal_data=services.personal_data,
        inbox=services.inbox,
        source=services.checks,
        velocity=services.fraud.velocity,
        devices=services.fraud.devices.rules,
        deposits=services.deposits,
        scheduler=services.scheduler,
        invariants=INVARIANTS,
    )
    return Checker(services.db, probes_of(parts))


def console_of(services: Services) -> Console:
    """The pages, over what the API and the command line use too."""
    settings = services.settings
    return Console(
        doorkeeper=Doorkeeper(
            services.db,
            services.gate,
            settings.console,
            is_https=settings.env is Environment.PRODUCTION,
        ),
        operations=operations_of(services),
        approvals=approvals_api_of(services),
        switches=switch_desk_of(services),
        checker=checker_of(services),
        crypto=crypto_desk_of(services),
        velocity=VelocityDesk(services.db, services.fraud.changing),
        reports=Reports(services.db),
        overview=overview_desk_of(services),
    )


def _add_health(app: FastAPI, services: Services, readiness: Readiness) -> None:
    everybody: Any = {"dependencies": [Depends(public)], "include_in_schema": False}

    @app.get("/livez", operation_id="livez", **everybody)
    async def livez() -> Response:
        return JSONResponse({"status": "alive"})

    @app.get("/readyz", operation_id="readyz", **everybody)
    async def readyz() -> Response:
        checks = await _checks(services)
        ready = readiness.is_serving and all(state == "ok" for state in checks.values())
        checks["serving"] = "ok" if readiness.is_serving else "draining"
        return JSONResponse(
            {"status": "ready" if ready else "unready", "checks": checks}, 200 if ready else 503
        )

    @app.get("/metrics", operation_id="metrics", **everybody)
    async def metrics() -> Response:
        return Response(services.metrics.render(), media_type=CONTENT_TYPE)

    @app.get("/version", operation_id="version", **everybody)
    async def show_version() -> Response:
        return JSONResponse({"name": "payops", "version": version(), "schema": head_revision()})

    @app.get("/openapi.json", operation_id="openapi", **everybody)
    async def openapi() -> Response:
        return JSONResponse(app.openapi())


async def _checks(services: Services) -> dict[str, str]:
    """The database and its schema; a provider's outage does not make us unready."""
    try:
        async with services.db.transaction(read_only=True) as tx:
            return await checks(tx)
    except PayopsError as error:
        return {"database": error.code}


async def _keep_house(services: Services) -> None:
    """What each process does for itself: its gauges, and which API keys it saw used."""
    while True:
        try:
            await services.keys.flush_last_used()
            await services.inbox.set_figures()
            await services.alerts.set_figures()
            await keeping.set_figures(services.db, services.metrics)
            await services.deposits.measures.set_figures()
        except PayopsError as error:
            log.warning("process.figures_not_refreshed", reason=error.code)
        await asyncio.sleep(_FIGURES_SECONDS)


def _life(services: Services, readiness: Readiness) -> Any:
    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncGenerator[None, None]:
        worker = None if services.settings.role is Role.API else Worker(services)
        if services.listener:
            services.listener.start()
        if worker:
            worker.start()
        keeping_house = asyncio.create_task(_keep_house(services))
        readiness.is_serving = True
        try:
            yield
        finally:
            readiness.is_serving = False
            keeping_house.cancel()
            await asyncio.wait([keeping_house])
            if worker:
                await worker.stop()
            await services.close()

    return life
