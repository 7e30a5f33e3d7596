"""Who runs the server. PostgreSQL refuses root, so as root an unprivileged account does.

Nothing is opened to the world for it: what the account cannot reach is put where it can.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from payops.dev.postgres.binaries import Binaries, version_of
from payops.dev.postgres.errors import PostgresUnavailable

# Of root alone and readable by all; the first that can be made and run from is taken.
STORES = (Path("/var/lib/payops-dev"), Path("/usr/local/lib/payops-dev"), Path("/opt/payops-dev"))
_PREFERRED = ("postgres", "nobody")
_NOT_COPIED = shutil.ignore_patterns("include", "doc", "*.a", "pgxs")


class RunAs(TypedDict, total=False):
    """The arguments by which `subprocess` starts a child as somebody else."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as; ``is_ours`` when that is the account we already have."""

    name: str
    uid: int
    gid: int
    is_ours: bool

    @property
    def run_as(self) -> RunAs:
        if self.is_ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_enter(self, folder: Path) -> bool:
        if self.is_ours:
            return os.access(folder, os.X_OK)
        finished = subprocess.run(
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", folder],
            check=False,
            capture_output=True,
            cwd="/",
            **self.run_as,
        )
        return finished.returncode == 0

    def own(self, folder: Path) -> None:
        """Make ``folder`` the account's alone; an existing one must be its already."""
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            if not self.is_ours:
                os.chown(folder, self.uid, self.gid)
        status = folder.lstat()
        if not folder.is_dir() or folder.is_symlink() or status.st_uid != self.uid:
            raise PostgresUnavailable(f"{folder} is not a folder of the account {self.name}")
        if status.st_mode & 0o077:
            folder.chmod(0o700)


def account_for(data: Path | None, environ: Mapping[str, str] = os.environ) -> Account:
    """Ourselves; as root, the owner of ``data``, else whoever called sudo, else a daemon account.

    Raises:
        PostgresUnavailable: the data is another person's, or root has nobody to run the server.
    """
    uid = os.geteuid()
    owner = data.lstat().st_uid if data and data.exists() else None
    if uid != 0:
        if owner not in (None, uid):
            raise PostgresUnavailable(
                f"{data} belongs to the account with id {owner}: run as that one, or remove it"
            )
        return _named(uid, is_ours=True)
    if owner:
        return _named(owner, is_ours=False)
    return _stand_in(environ)


def _named(uid: int, *, is_ours: bool) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise PostgresUnavailable(
            f"the account with id {uid} has no name on this machine, and PostgreSQL wants one: "
            "add it to /etc/passwd, or set PAYOPS_DATABASE_URL"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, is_ours)


def _stand_in(environ: Mapping[str, str]) -> Account:
    entries = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    names = [environ.get("SUDO_USER", ""), *_PREFERRED, *entries]
    for entry in (entries[name] for name in names if name in entries):
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, is_ours=False)
    raise PostgresUnavailable(
        "PostgreSQL does not run as root, and this machine has no other account: "
        "run as another user, or set PAYOPS_DATABASE_URL"
    )


def reachable(binaries: Binaries, account: Account) -> Binaries:
    """``binaries`` where ``account`` can run them: in place, or copied once per version.

    Raises:
        PostgresUnavailable: neither works.
    """
    if account.is_ours or version_of(binaries.bin, **account.run_as):
        return binaries
    for store in STORES:
        with suppress(OSError):
            copied = _copy(binaries, _store_of_root(store))
            if version_of(copied.bin, **account.run_as):
                return copied
    raise PostgresUnavailable(
        f"the account {account.name} cannot run {binaries}, not even from a copy in "
        f"{', '.join(str(s) for s in STORES)}: run as another user, or set PAYOPS_DATABASE_URL"
    )


def store_for(account: Account) -> Path:
    """Where the data of ``account`` can live when the checkout is closed to it."""
    for store in STORES:
        with suppress(OSError):
            if account.can_enter(_store_of_root(store)):
                return store
    raise PostgresUnavailable(
        f"the account {account.name} can reach neither the checkout nor "
        f"{', '.join(str(s) for s in STORES)}: run as another user, or set PAYOPS_DATABASE_URL"
    )


def _store_of_root(store: Path) -> Path:
    store.mkdir(mode=0o755, exist_ok=True)
    store.chmod(0o755)  # whatever the umask is
    return store


def _copy(binaries: Binaries, store: Path) -> Binaries:
    major, minor = binaries.version
    size = (binaries.bin / "postgres").stat().st_size  # tells two builds of one version apart
    kept = store / "binaries" / f"{major}.{minor}-{size}"
    if not kept.exists():
        kept.parent.mkdir(mode=0o755, exist_ok=True)
        kept.parent.chmod(0o755)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".copying-") as folder:
            fresh = Path(folder, "copy")
            for part in binaries.parts:
                if (binaries.root / part).is_dir():
                    shutil.copytree(binaries.root / part, fresh / part, ignore=_NOT_COPIED)
            _readable_by_all(fresh)
            with suppress(FileExistsError):  # somebody else was quicker; theirs is the same
                fresh.rename(kept)
    return replace(binaries, bin=kept / binaries.bin.relative_to(binaries.root), root=kept)


def _readable_by_all(tree: Path) -> None:
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
