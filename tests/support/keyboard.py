"""``payops`` as it is typed, without the seconds that Python needs to start.

Each command is a process of its own, forked from one that has everything imported, and runs
the real entry point with its own arguments, environment, folder and output.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from payops.cli.main import main

_SECONDS_MAX: Final = 120

_fork = multiprocessing.get_context("forkserver")
# The one fork server of a test process: the same as in tests.support.process.
_fork.set_forkserver_preload(["tests.support.crashing"])


def typed(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path
) -> "subprocess.CompletedProcess[str]":
    """Run ``payops`` with ``arguments``; what it printed, and its exit code."""
    with TemporaryDirectory() as place:
        out, err = Path(place, "out"), Path(place, "err")
        child = _fork.Process(
            target=_act, args=(list(arguments), dict(environment), folder, out, err), daemon=True
        )
        child.start()
        child.join(_SECONDS_MAX)
        if child.exitcode is None:
            child.kill()
            raise AssertionError(f"payops {' '.join(arguments)} does not end")
        code: int = child.exitcode
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())


def _act(
    arguments: list[str], environment: dict[str, str], folder: Path, out: Path, err: Path
) -> None:
    """Become the command: never comes back, the exit code is the process's."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(descriptor, stream.fileno())
    sys.argv = ["payops", *arguments]
    main()
