"""Where a server's files are.

    home/              of whoever starts the server
      data/            the cluster; of the server's account, 0700
      socket/          the unix socket, likewise; under /tmp when this path is too long for one
      hba.conf         who may connect: root and the account, over the socket
      ident.conf
      server.log
      password         only for TCP, 0600
      start.lock       held while a server is started or stopped
      users.lock       shared by every process that uses the server: the last one stops it
      moved-to         where it all is instead, when the server's account cannot enter home

Root never writes into a folder of the server's account, where a link could lead it astray.
"""

import hashlib
import os
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from payops.dev.postgres.accounts import Account, store_for
from payops.dev.postgres.errors import PostgresUnavailable
from payops.dev.postgres.locks import only_one

# sockaddr_un.sun_path without its closing zero; paths are bytes, not characters.
SOCKET_PATH_BYTES_MAX = 103 if sys.platform == "darwin" else 107
_LONGEST_NAME = "/.s.PGSQL.65535"
TEMPORARY_PREFIX = "payops-postgres-"
_NOT_IN_A_LIST = ',"\\'  # unix_socket_directories is a list with quotes


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one server; ``home`` is absolute."""

    home: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def hba(self) -> Path:
        return self.home / "hba.conf"

    @property
    def ident(self) -> Path:
        return self.home / "ident.conf"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    @property
    def password(self) -> Path:
        return self.home / "password"

    @property
    def start_lock(self) -> Path:
        return self.home / "start.lock"

    @property
    def users_lock(self) -> Path:
        return self.home / "users.lock"

    @property
    def socket(self) -> Path:
        folder = self.home / "socket"
        path = str(folder)
        fits = len(os.fsencode(path + _LONGEST_NAME)) <= SOCKET_PATH_BYTES_MAX
        if fits and not any(character in path for character in _NOT_IN_A_LIST):
            return folder
        return Path("/tmp", f"payops-{digest_of(self.home)}")  # noqa: S108  its owner is checked


def digest_of(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def settle(home: Path, account: Account) -> Place:
    """Make ``home`` ready for a server of ``account``, or a substitute if it cannot enter.

    Raises:
        PostgresUnavailable: data lies in ``home``, but its account can no longer reach it.
    """
    home.mkdir(parents=True, exist_ok=True)
    _close(home, account)
    if account.can_enter(home):
        return Place(home)
    if Place(home).data.exists():
        raise PostgresUnavailable(
            f"the account {account.name} owns {home}/data but cannot enter {home}: "
            "let it pass through the folders above, or run as another user"
        )
    substitute = _substitute_for(home, account)
    substitute.mkdir(parents=True, exist_ok=True)
    substitute.parent.chmod(0o711)
    _close(substitute, account)
    return Place(substitute)


def _substitute_for(home: Path, account: Account) -> Path:
    """The folder that ``home/moved-to`` names; written once, so a moved checkout keeps its data."""
    pointer = home / "moved-to"
    with only_one(home / "start.lock"):
        if not pointer.exists():
            fresh = store_for(account) / "clusters" / secrets.token_hex(8)
            pointer.write_text(f"{fresh}\n")
        return Path(pointer.read_text().strip())


def temporary_home(account: Account, parent: Path | None = None) -> Path:
    """A new home that ``account`` can enter, for a server that is thrown away.

    In ``parent`` if the account can pass through it.
    """
    home = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=parent)).resolve()
    _close(home, account)
    if not account.can_enter(home):
        home.rmdir()
        home = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=store_for(account)))
        _close(home, account)
    return home


def _close(folder: Path, account: Account) -> None:
    # The server's account has to pass through to its own folders, but need not look around.
    folder.chmod(0o700 if account.is_ours else 0o711)
