"""The cluster on disk: made once, whole or not at all; and with which options it is served."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from payops.dev.postgres.accounts import Account
from payops.dev.postgres.binaries import Binaries
from payops.dev.postgres.errors import PostgresUnavailable
from payops.dev.postgres.places import Place
from payops.dev.postgres.postmaster import OWNER

PORT = 5432  # names the socket's file; nothing listens on it unless TCP was asked for
_ALWAYS = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "cluster_name": OWNER,
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "unix_socket_permissions": "0700",
}
_OURS_TO_SET = {
    "listen_addresses",
    "port",
    "hba_file",
    "ident_file",
    "unix_socket_directories",
    "data_directory",
    *_ALWAYS,
}
_INITDB_SECONDS_MAX = 120


def major_of(data: Path) -> int | None:
    """Which PostgreSQL wrote ``data``; None if there is none yet."""
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        return None


def create(place: Place, binaries: Binaries, account: Account, *, durably: bool) -> None:
    """Make the cluster beside its final name, so a crash half-way leaves nothing that counts."""
    fresh = place.home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    account.own(fresh)
    finished = subprocess.run(
        [
            binaries.bin / "initdb",
            f"--pgdata={fresh}",
            f"--username={OWNER}",
            "--encoding=UTF8",
            "--locale=C",
            "--data-checksums",
            "--auth=peer",
            *([] if durably else ["--no-sync"]),
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env=environment(),
        timeout=_INITDB_SECONDS_MAX,
        **account.run_as,
    )
    if finished.returncode:
        shutil.rmtree(fresh, ignore_errors=True)
        raise PostgresUnavailable(f"initdb of {binaries} failed:\n{finished.stdout.strip()}")
    fresh.rename(place.data)
    _flush_folder(place.home)


def environment() -> dict[str, str]:
    """What PostgreSQL is started with: none of the caller's PG* settings, messages in English."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def write_access_rules(place: Place, account: Account) -> None:
    """Over the socket root and the server's account, known by the kernel; over TCP a password."""
    callers = sorted({account.name, "root"})
    place.ident.write_text("".join(f'owner "{caller}" {OWNER}\n' for caller in callers))
    place.hba.write_text(
        "local all all peer map=owner\n"
        "host all all 127.0.0.1/32 scram-sha-256\n"
        "host all all ::1/128 scram-sha-256\n"
    )
    for path in (place.ident, place.hba):
        path.chmod(0o644)


def arguments(place: Place, *, port: int, tcp: bool, settings: Mapping[str, str]) -> list[str]:
    """The server's options.

    Raises:
        ValueError: ``settings`` touches what keeps money safe or where the server is found.
    """
    if taken := _OURS_TO_SET & settings.keys():
        raise ValueError(f"not a choice here: {', '.join(sorted(taken))}")
    options = {
        **settings,
        **_ALWAYS,
        "listen_addresses": "127.0.0.1" if tcp else "",
        "port": str(port),
        "hba_file": str(place.hba),
        "ident_file": str(place.ident),
        "unix_socket_directories": str(place.socket),
    }
    flags = ["-D", str(place.data)]
    for name, value in options.items():
        flags += ["-c", f"{name}={value}"]
    return flags


def choose_port(*, tcp: bool) -> int:
    """A port that is free now; somebody may be quicker, which is why a start is retried."""
    if not tcp:
        return PORT
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def password_of(place: Place) -> str:
    """The password for TCP, made once."""
    with suppress(FileNotFoundError):
        return place.password.read_text()
    password = secrets.token_urlsafe(24)
    descriptor = os.open(place.password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(password)
    return password


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
