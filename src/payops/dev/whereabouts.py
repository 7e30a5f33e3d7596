"""Where this checkout's ``payops dev`` is, for the commands that are typed beside it."""

import json
import os
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from payops.dev import secrets

_FILE: Final = "run.json"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """``providers`` are settings by their names: the sandbox's ports are new at each start."""

    pid: int
    url: str
    sandbox_url: str
    providers: Mapping[str, str] = field(default_factory=dict)


def whereabouts(folder: Path = secrets.FOLDER) -> Whereabouts | None:
    """The ``payops dev`` of this checkout, if its process is alive."""
    with suppress(OSError, ValueError, TypeError):
        found = Whereabouts(**json.loads((folder / _FILE).read_text()))
        os.kill(found.pid, 0)
        return found
    return None


def fill_in(environ: MutableMapping[str, str], folder: Path = secrets.FOLDER) -> None:
    """Set where the providers are, as the running service has them, where ``environ`` does not."""
    found = whereabouts(folder)
    for name, value in found.providers.items() if found else ():
        if not environ.get(name):
            environ[name] = value


@contextmanager
def announced(ours: Whereabouts, folder: Path = secrets.FOLDER) -> Iterator[None]:
    """Others of this checkout find us for as long as the block lasts."""
    secrets.keep(folder / _FILE, json.dumps(asdict(ours)))
    try:
        yield
    finally:
        if whereabouts(folder) == ours:
            (folder / _FILE).unlink(missing_ok=True)
