"""Fixtures every test may ask for.

``database`` is a pool on an empty, migrated database; ``url`` is where it is; ``own_url`` is a
database of the test's own, for tests with several processes or with a schema of their own;
``empty_url`` was never migrated; ``server`` makes more.
"""

import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import pytest

from payops.infra.db import Database, connect
from tests.support import fields, postgres, sentinel
from tests.support.cleaning import Cleaner

_SERVER = pytest.StashKey[postgres.Server]()
_CLOSING = pytest.StashKey[ExitStack]()
_LOGS = pytest.StashKey[Path]()
_WORKER = pytest.StashKey[str]()
_LAST_TEST = pytest.StashKey[str]()
_LEAKS_SHOWN_MAX = 10
_GARBAGE_THRESHOLD = 20_000  # new objects between two looks; Python's own is 700


def pytest_configure(config: pytest.Config) -> None:
    closing = config.stash[_CLOSING] = ExitStack()
    given = getattr(config, "workerinput", None)
    if given is None:
        logs = Path(closing.enter_context(TemporaryDirectory(prefix="payops-logs-")))
    else:
        config.stash[_SERVER] = postgres.Server(given["server_url"], given["server_template"])
        logs = Path(given["logs"])
    config.stash[_LOGS] = logs
    worker = config.stash[_WORKER] = given["workerid"] if given else "main"
    # How long an example takes on a busy machine is no fact about the code.
    hypothesis.settings.register_profile("payops", deadline=None)
    hypothesis.settings.load_profile("payops")
    closing.enter_context(fields.made_when_used())
    closing.enter_context(sentinel.recording(logs / f"{worker}.log"))
    closing.enter_context(sentinel.answers_kept(logs / f"{worker}-answers.log"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector look at what tests make, not at what lives to the end anyway.

    Thousands of tests and all libraries are some million objects; to walk over them again and
    again was a sixth of the time of a test over HTTP.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """With xdist the controller starts the server, and every worker is told where it is."""
    server = _server_of(node.config)
    node.workerinput["server_url"] = server.url
    node.workerinput["server_template"] = server.template
    node.workerinput["logs"] = str(node.config.stash[_LOGS])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The whole run fails when anything that any test left behind holds a customer's number.

    Lines of logs, error answers, and what stood in the database at the end of a test.
    """
    if hasattr(session.config, "workerinput"):
        return
    leaks = [
        leak
        for path in sorted(session.config.stash[_LOGS].glob("*.log"))
        for leak in sentinel.numbers_in(path.read_text())
    ]
    if leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        shown = "\n".join(leaks[:_LEAKS_SHOWN_MAX])
        print(f"\n{len(leaks)} lines hold a phone number:\n{shown}", file=sys.stderr)  # noqa: T201


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_CLOSING].close()


def _server_of(config: pytest.Config) -> postgres.Server:
    if _SERVER not in config.stash:
        config.stash[_SERVER] = config.stash[_CLOSING].enter_context(postgres.running())
    return config.stash[_SERVER]


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> postgres.Server:
    return _server_of(pytestconfig)


@pytest.fixture(scope="session")
def worker_database(server: postgres.Server) -> Iterator[str]:
    """The URL of the one database this worker cleans and uses again."""
    name = server.create()
    yield server.url_of(name)
    server.drop(name)


@pytest.fixture(scope="session")
def cleaner(worker_database: str, pytestconfig: pytest.Config) -> Iterator[Cleaner]:
    kept = Cleaner(worker_database)
    yield kept
    _clean(kept, pytestconfig)
    kept.close()


@pytest.fixture
def url(worker_database: str, cleaner: Cleaner, request: pytest.FixtureRequest) -> str:
    """A migrated database without rows, as it will be after the test until the next one."""
    _clean(cleaner, request.config)
    request.config.stash[_LAST_TEST] = request.node.nodeid
    return worker_database


def _clean(cleaner: Cleaner, config: pytest.Config) -> None:
    """Clean the worker's database, after a look at what the last test left in it."""
    last = config.stash.get(_LAST_TEST, "")

    async def look(connection: Any) -> None:
        leaks = await sentinel.leaks_in(connection) if last else []
        with (config.stash[_LOGS] / f"{config.stash[_WORKER]}-dump.log").open("a") as file:
            file.writelines(f"{last}: {leak}\n".replace("\r", " ") for leak in leaks)

    cleaner.clean(look)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    pool = connect(url, pool_size=10)
    yield pool
    await pool.close()


@pytest.fixture
def own_url(server: postgres.Server) -> Iterator[str]:
    name = server.create()
    yield server.url_of(name)
    server.drop(name)


@pytest.fixture
def empty_url(server: postgres.Server) -> Iterator[str]:
    name = server.create(migrated=False)
    yield server.url_of(name)
    server.drop(name)
