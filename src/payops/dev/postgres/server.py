"""Start, share and stop the server of one folder.

Several processes may use it: the first starts it, the last stops it, and it survives the death
of any of them. A server that is already there is found by connecting to it and used.
"""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from payops.dev.postgres import cluster, postmaster
from payops.dev.postgres.accounts import Account, account_for, reachable
from payops.dev.postgres.binaries import Binaries, find_binaries
from payops.dev.postgres.errors import PostgresUnavailable
from payops.dev.postgres.locks import Users, only_one
from payops.dev.postgres.places import TEMPORARY_PREFIX, Place, settle, temporary_home
from payops.dev.postgres.postmaster import OWNER, State

_READY_SECONDS_MAX = 120  # recovery after a crash takes its time
_REAPED_SECONDS_MAX = 10
_START_ATTEMPTS_MAX = 6
_FIRST_WAIT_SECONDS = 0.25  # doubled each time: orphans of a killed server end within seconds
_LOG_BYTES_MAX = 10 * 1024 * 1024
_LOG_LINES_SHOWN = 15
_PASSES = (  # what the log says about obstacles that go away by themselves
    "shared memory block",  # children of a killed server still end
    "lock file",
    "Address already in use",  # somebody took the port between our choice and the start
)

# Servers that others still use when we leave. Popen complains about a living child it forgets.
_left_running: list[subprocess.Popen[bytes]] = []


class EmbeddedPostgres:
    """A server of our own, running. Use as a context manager, or call `stop`."""

    def __init__(
        self,
        place: Place,
        binaries: Binaries,
        account: Account,
        *,
        tcp: bool,
        settings: Mapping[str, str],
        is_temporary: bool = False,
    ) -> None:
        self._place = place
        self._account = account
        self._tcp = tcp
        self._settings = dict(settings)
        self._is_temporary = is_temporary
        self._users: Users | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port = cluster.PORT
        self._starter = os.getpid()
        self.binaries = binaries

    @classmethod
    def start(
        cls, home: Path, *, tcp: bool = False, settings: Mapping[str, str] | None = None
    ) -> Self:
        """Serve the cluster in ``home``, making it first if there is none.

        It listens on a unix socket only, unless ``tcp``: then on loopback too, with a password.
        Calling it from any number of processes gives them the same server.

        Raises:
            PostgresUnavailable: there are no binaries, or the server does not come up.
            ValueError: ``settings`` names an option that is not a choice.
        """
        home = home.resolve()
        account = account_for(home / "data")
        place = settle(home, account)
        if place.home != home:
            account = account_for(place.data)
        found = find_binaries(major=cluster.major_of(place.data))
        server = cls(place, reachable(found, account), account, tcp=tcp, settings=settings or {})
        server._begin()
        return server

    @classmethod
    def temporary(
        cls,
        *,
        tcp: bool = False,
        settings: Mapping[str, str] | None = None,
        parent: Path | None = None,
    ) -> Self:
        """A server in a new folder that goes with it; as durable as ``parent`` is meanwhile.

        Without ``parent`` the folder is made where the system has its temporary ones.
        """
        sweep(parent)
        account = account_for(None)
        server = cls(
            Place(temporary_home(account, parent)),
            reachable(find_binaries(), account),
            account,
            tcp=tcp,
            settings=settings or {},
            is_temporary=True,
        )
        server._begin()
        return server

    @property
    def url(self) -> str:
        """The database as asyncpg takes it; SQLAlchemy wants ``postgresql+asyncpg`` instead."""
        return self.url_of(OWNER)

    def url_of(self, database: str) -> str:
        if self._tcp:
            secret = quote(cluster.password_of(self._place), safe="")
            return f"postgresql://{OWNER}:{secret}@127.0.0.1:{self._port}/{database}"
        folder = quote(str(self._place.socket), safe="/")
        return f"postgresql://{OWNER}@/{database}?host={folder}&port={self._port}"

    @property
    def home(self) -> Path:
        """Where the data, the log and the locks are."""
        return self._place.home

    @property
    def log(self) -> Path:
        return self._place.log

    @property
    def pid(self) -> int:
        """The server's process. Killing it is the test for a crash; then `ensure_running`."""
        written = postmaster.read_pid_file(self._place)
        if written is None:
            raise PostgresUnavailable(f"no server runs in {self.home}")
        return written.pid

    def ensure_running(self) -> None:
        """Start the server again if it is gone. The data is what was committed."""
        with only_one(self._place.start_lock):
            self._bring_up()

    def stop(self) -> None:
        """Leave; the last one to leave stops the server. Calling it twice is harmless."""
        if self._users is None or os.getpid() != self._starter:
            return  # a forked child does not stop its parent's server
        atexit.unregister(self.stop)
        with only_one(self._place.start_lock):
            if self._users.is_the_only_one():
                self._end()
            elif self._process and self._process.poll() is None:
                _left_running.append(self._process)
            self._users.leave()
            self._users = None
        if self._is_temporary:
            _remove(self._place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _begin(self) -> None:
        # Checked before anything is made or waited for.
        cluster.arguments(self._place, port=0, tcp=self._tcp, settings=self._settings)
        _exit_on_sigterm()
        with only_one(self._place.start_lock):
            self._users = Users(self._place.users_lock)
        atexit.register(self.stop)
        try:
            self.ensure_running()
        except BaseException:
            self.stop()
            raise

    def _bring_up(self) -> None:
        if cluster.major_of(self._place.data) is None:
            cluster.create(
                self._place, self.binaries, self._account, durably=not self._is_temporary
            )
        self._account.own(self._place.data)
        self._account.own(self._place.socket)
        cluster.write_access_rules(self._place, self._account)
        if not self._adopt():
            self._launch()
        self._prepare()

    def _adopt(self) -> bool:
        """Use the server that is there; True if there is one and it serves as we need it."""
        written = postmaster.read_pid_file(self._place)
        if written and self._settled(written.port) is State.READY:
            if postmaster.was_started_with(self._place, self._arguments(written.port)):
                self._port = written.port
                return True
            if self._users and not self._users.is_the_only_one():
                raise PostgresUnavailable(
                    f"another process uses the database in {self.home} with other options: "
                    "stop it first"
                )
        self._end()
        return False

    def _settled(self, port: int) -> State:
        """What the server says once it has finished starting, stopping or recovering."""
        deadline = time.monotonic() + _READY_SECONDS_MAX
        wait = _FIRST_WAIT_SECONDS
        while (state := postmaster.state_of(self._place, port)) is State.BUSY:
            if time.monotonic() > deadline:
                break
            time.sleep(wait)
        return state

    def _launch(self) -> None:
        said = ""
        wait = _FIRST_WAIT_SECONDS
        for attempt in range(1, _START_ATTEMPTS_MAX + 1):
            self._port = cluster.choose_port(tcp=self._tcp)
            self._process, written_before = self._spawn()
            in_time = postmaster.wait_until(self._is_up_or_dead, _READY_SECONDS_MAX)
            if self._process.poll() is None:
                if in_time:
                    return
                self._end()
            said = self._log_after(written_before)
            if attempt == _START_ATTEMPTS_MAX or not any(words in said for words in _PASSES):
                break
            time.sleep(wait)
            wait *= 2
        raise PostgresUnavailable(f"{self.binaries} does not start in {self.home}:\n{said}")

    def _is_up_or_dead(self) -> bool:
        if self._process and self._process.poll() is not None:
            return True
        written = postmaster.read_pid_file(self._place)
        return written is not None and postmaster.state_of(self._place, written.port) is State.READY

    def _spawn(self) -> tuple[subprocess.Popen[bytes], int]:
        """The new process, and how many bytes its log had before."""
        with suppress(FileNotFoundError):
            if self._place.log.stat().st_size > _LOG_BYTES_MAX:
                self._place.log.replace(self._place.log.with_suffix(".log.1"))
        log = os.open(self._place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            written_before = os.fstat(log).st_size
            process = subprocess.Popen(
                [self.binaries.bin / "postgres", *self._arguments(self._port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=cluster.environment(),
                start_new_session=True,  # Ctrl-C is for us; the server is stopped when we are done
                **self._account.run_as,
            )
        finally:
            os.close(log)
        return process, written_before

    def _arguments(self, port: int) -> list[str]:
        return cluster.arguments(self._place, port=port, tcp=self._tcp, settings=self._settings)

    def _end(self) -> None:
        """Stop the server if one of ours is there, and clear away what a dead one left."""
        written = postmaster.read_pid_file(self._place)
        pid = written.pid if written else self._process.pid if self._process else None
        if pid and postmaster.serves(pid, self._place.data):
            postmaster.end(self._place, pid, has_ended=lambda: self._has_ended(pid))
        if self._process:
            self._process.wait(_REAPED_SECONDS_MAX)  # dead or dying: until then its number is taken
        postmaster.clear_away(self._place, written.port if written else cluster.PORT)

    def _has_ended(self, pid: int) -> bool:
        if self._process and self._process.pid == pid:
            return self._process.poll() is not None
        return not postmaster.serves(pid, self._place.data)

    def _prepare(self) -> None:
        """Make the database, and the password if one is needed."""
        place, port = self._place, self._port
        known = "SELECT FROM pg_database WHERE datname = $1"
        if not postmaster.query(place, port, known, OWNER, database="postgres"):
            postmaster.query(place, port, f"CREATE DATABASE {OWNER}", database="postgres")
        if self._tcp:
            secret = cluster.password_of(place)  # of letters, digits, - and _ only
            postmaster.query(
                place, port, f"ALTER ROLE {OWNER} PASSWORD '{secret}'", database="postgres"
            )

    def _log_after(self, offset: int) -> str:
        with self._place.log.open("rb") as log:
            log.seek(offset)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES_SHOWN:])


@contextmanager
def database(url: str | None, home: Path) -> Iterator[str]:
    """The URL of the database to use: ``url`` if there is one, else a server kept in ``home``."""
    if url:
        yield url
        return
    with EmbeddedPostgres.start(home) as server:
        yield server.url


def sweep(parent: Path | None = None) -> None:
    """Stop and remove temporary servers in ``parent`` whose every user was killed."""
    for home in (parent or Path(tempfile.gettempdir())).glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(OSError, PostgresUnavailable):
            place = Place(home.resolve())
            if home.lstat().st_uid != os.geteuid() or not place.users_lock.exists():
                continue
            account = account_for(place.data)
            binaries = find_binaries(major=cluster.major_of(place.data))
            left = EmbeddedPostgres(
                place, binaries, account, tcp=False, settings={}, is_temporary=True
            )
            with only_one(place.start_lock, wait_seconds=0):
                users = Users(place.users_lock)
                is_forgotten = users.is_the_only_one()
                if is_forgotten:
                    left._end()  # noqa: SLF001  the same class, on behalf of the dead
                users.leave()
            if is_forgotten:
                _remove(place)


def _remove(place: Place) -> None:
    if place.socket.parent != place.home:
        shutil.rmtree(place.socket, ignore_errors=True)
    shutil.rmtree(place.home, ignore_errors=True)


def _exit_on_sigterm() -> None:
    """Make SIGTERM leave the usual way, so that the server is stopped; others' handlers stay."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
