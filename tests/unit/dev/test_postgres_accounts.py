"""Whom the server runs as, and how that account reaches what it needs."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from payops.dev.postgres import Binaries, PostgresUnavailable, binaries
from payops.dev.postgres.accounts import account_for, reachable

IS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root runs the server as somebody else")
needs_no_root = pytest.mark.skipif(IS_ROOT, reason="root may touch everybody's data")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Binaries]:
    """An installation in a folder that only we can enter, with a file of each kind."""
    root = tmp_path / "closed"
    for part in ("bin", "lib", "include"):
        (root / part).mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = root / "bin" / name
        program.write_text('#!/bin/sh\necho "postgres (PostgreSQL) 16.77"\n')
        program.chmod(0o700)
    (root / "lib" / "libpq.so.5").write_text("code")
    (root / "lib" / "libpq.so").symlink_to("libpq.so.5")
    (root / "include" / "libpq.h").touch()
    root.chmod(0o700)
    found = binaries.inspect(root / "bin", source="test")
    assert found is not None
    yield found
    for copy in Path("/var/lib/payops-dev/binaries").glob("16.77-*"):
        shutil.rmtree(copy)


@needs_no_root
def test_a_person_runs_the_server_herself() -> None:
    """
    Without root there is one account, and nothing has to be moved or copied.
    """
    account = account_for(None)

    assert os.geteuid() == account.uid
    assert {} == account.run_as


@needs_no_root
def test_data_of_somebody_else_is_refused_with_a_name() -> None:
    """
    A database made as root cannot be served by a plain account; the error says whose it is.
    """
    with pytest.raises(PostgresUnavailable, match="account with id 0"):
        account_for(Path("/etc"))


@needs_root
def test_root_steps_aside_for_the_person_behind_sudo() -> None:
    """
    Her own account is the one that can reach her checkout.
    """
    nobody = pwd.getpwnam("nobody")

    assert nobody.pw_uid == account_for(None, {"SUDO_USER": "nobody"}).uid


@needs_root
def test_root_steps_aside_for_the_owner_of_the_data(tmp_path: Path) -> None:
    """
    Data that exists is served by the account that wrote it, whoever else there is.
    """
    os.chown(tmp_path, 1, 1)

    assert 1 == account_for(tmp_path, {"SUDO_USER": "nobody"}).uid


@needs_root
def test_binaries_behind_a_closed_door_are_copied_not_opened(closed: Binaries) -> None:
    """
    The account runs a copy that only root can change; the folder it came from stays closed.
    """
    account = account_for(None)

    copy = reachable(closed, account)

    assert (16, 77) == binaries.version_of(copy.bin, **account.run_as)
    assert {0} == {path.lstat().st_uid for path in copy.root.rglob("*")}
    assert ["bin", "lib"] == sorted(path.name for path in copy.root.iterdir())
    assert "code" == (copy.root / "lib" / "libpq.so").read_text()
    assert 0o700 == stat.S_IMODE(closed.root.stat().st_mode)


@needs_root
def test_a_copy_is_made_once(closed: Binaries) -> None:
    """
    The next start finds it by version and size.
    """
    first = reachable(closed, account_for(None))
    made = first.root.stat().st_ino

    assert made == reachable(closed, account_for(None)).root.stat().st_ino


@needs_root
def test_binaries_that_can_be_reached_stay_where_they_are() -> None:
    """
    Nothing is copied without need.
    """
    found = binaries.inspect(Path("/usr/lib/postgresql/15/bin"), source="test")
    if found is None:
        pytest.skip("no server of the machine's own to try it on")

    assert found == reachable(found, account_for(None))


def test_a_folder_that_is_taken_is_not_ours(tmp_path: Path) -> None:
    """
    A link where a folder of the account should be is somebody's trick, or a mistake.
    """
    (tmp_path / "socket").symlink_to(tmp_path)

    with pytest.raises(PostgresUnavailable, match="socket"):
        account_for(None).own(tmp_path / "socket")


def test_a_folder_of_the_account_is_closed_to_others(tmp_path: Path) -> None:
    """
    Even one that was left open before.
    """
    account = account_for(None)
    account.own(tmp_path / "data")
    (tmp_path / "data").chmod(0o755)

    account.own(tmp_path / "data")

    assert 0o700 == stat.S_IMODE((tmp_path / "data").stat().st_mode)
