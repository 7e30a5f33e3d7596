"""The folder that the server of a checkout lives in."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import roomy_memory


@pytest.fixture(autouse=True)
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of servers are in memory if there is plenty: making a cluster waits for a disk.

    Those of the processes that a test starts too.
    """
    memory = roomy_memory()
    if memory:
        monkeypatch.setenv("TMPDIR", str(memory))
        monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.fixture
def home(in_memory: None) -> Iterator[Path]:
    """A folder that an unprivileged account can reach, unlike those pytest makes for root."""
    folder = Path(tempfile.mkdtemp(prefix="payops-home-"))
    folder.chmod(0o755)
    yield folder / ".payops" / "postgres"
    shutil.rmtree(folder)
