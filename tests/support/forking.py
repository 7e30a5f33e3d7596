"""Processes of payops that begin with everything imported: forks of one server process.

Importing takes a command most of its time, and there are hundreds of commands in the tests. The
real start, ``python -m payops``, is what ``commanded`` and ``Payops.start`` are for.
"""

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from payops import cli

# A process has one fork server: whoever set this again would take away what is imported here.
context: Final = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.support.crashing", "tests.support.importing", "pytest"])


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


def run(arguments: Sequence[str], environ: Mapping[str, str], folder: Path, *, within: int) -> Ran:
    """Run a command in ``folder`` with ``environ`` and nothing else, for ``within`` seconds."""
    with TemporaryDirectory(prefix="payops-output-") as outputs:
        out, err = Path(outputs, "out"), Path(outputs, "err")
        process = context.Process(
            target=_command, args=(list(arguments), dict(environ), str(folder), str(out), str(err))
        )
        process.start()
        process.join(within)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"payops {' '.join(arguments)}: {err.read_text()}")
        code = process.exitcode
        process.close()
        return Ran(code, out.read_text(), err.read_text())


def _command(
    arguments: list[str], environ: dict[str, str], folder: str, out: str, err: str
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    for descriptor, path in enumerate((out, err), start=1):
        output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, descriptor)
        os.close(output)
    sys.argv = ["payops", *arguments]
    cli.main()
