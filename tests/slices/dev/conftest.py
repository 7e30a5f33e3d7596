"""The folder that the server of a checkout lives in."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that an unprivileged account can reach, unlike those pytest makes for root."""
    folder = Path(tempfile.mkdtemp(prefix="payops-home-"))
    folder.chmod(0o755)
    yield folder / ".payops" / "postgres"
    shutil.rmtree(folder)
