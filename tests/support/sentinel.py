"""No test customer's number in anything the suite logs, in any spelling.

``recording`` sends the log lines of a worker to one file; ``numbers_in`` finds numbers in it.
Tests that start processes check their output with ``numbers_in`` themselves.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from payops.infra import logging
from payops.infra.settings import Log

_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])(?:[ \t().+/-]|%20|\\u00a0)+(?=[0-9])")
_NUMBER = re.compile(r"(?<![0-9])(?:(?:00)?2540?|0)?7(?:000000[0-9]{2}|08374149)(?![0-9])")


def numbers_in(text: str) -> list[str]:
    """The lines of ``text`` that hold a test number, however it is written."""
    return [
        line
        for line in text.splitlines()
        if _NUMBER.search(line) or _NUMBER.search(_BETWEEN_DIGITS.sub("", line))
    ]


@contextmanager
def recording(path: Path) -> Iterator[None]:
    """All log lines of this process go to ``path``, as production would print them."""
    with path.open("a") as stream:
        logging.configure(Log(level="debug"), stream=stream)
        yield
