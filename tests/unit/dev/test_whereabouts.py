"""The commands of a checkout find its running service, and only a living one."""

import os
import subprocess
import sys
from pathlib import Path

from payops.dev.whereabouts import Whereabouts, announced, fill_in, whereabouts

HERE = "http://127.0.0.1:8000"
RAIL = {"PAYOPS_LIPANA__BASE_URL": "http://127.0.0.1:9/v1"}


def of_process(pid: int) -> Whereabouts:
    return Whereabouts(pid, HERE, "http://127.0.0.1:9", RAIL)


def test_a_command_asks_the_providers_that_the_service_asks(tmp_path: Path) -> None:
    """The sandbox's port is new at each start; what is set already stays."""
    bare: dict[str, str] = {}
    given = {"PAYOPS_LIPANA__BASE_URL": "http://127.0.0.1:8100/v1"}

    with announced(of_process(os.getpid()), tmp_path):
        fill_in(bare, tmp_path)
        fill_in(given, tmp_path)
        found = whereabouts(tmp_path)
    after: dict[str, str] = {}
    fill_in(after, tmp_path)

    assert RAIL == bare
    assert {"PAYOPS_LIPANA__BASE_URL": "http://127.0.0.1:8100/v1"} == given
    assert of_process(os.getpid()) == found
    assert {} == after


def test_a_service_that_was_killed_is_nowhere(tmp_path: Path) -> None:
    """What it left behind names a process that is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    environ: dict[str, str] = {}

    with announced(of_process(gone.pid), tmp_path):
        fill_in(environ, tmp_path)

        assert None is whereabouts(tmp_path)
    assert {} == environ
