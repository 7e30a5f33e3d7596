"""Every error has a code of its own and a place in the catalogue."""

import importlib
import pkgutil
import re
from collections import defaultdict
from pathlib import Path

import payops
from payops.infra.web.problem import status_of
from payops.kernel.errors import PayopsError

CATALOGUE = Path(__file__).parents[2] / "docs" / "errors.md"


def all_errors() -> list[type[PayopsError]]:
    for module in pkgutil.walk_packages(payops.__path__, "payops."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[PayopsError]] = []
    waiting = [PayopsError]
    while waiting:
        error = waiting.pop()
        found.append(error)
        waiting.extend(error.__subclasses__())
    return [error for error in found if error.__module__.startswith("payops.")]


def test_no_two_errors_have_the_same_code() -> None:
    """A client that knows the code knows the error."""
    by_code = defaultdict(set)
    for error in all_errors():
        by_code[error.code].add(error.__qualname__)

    assert {} == {code: names for code, names in by_code.items() if len(names) > 1}


def test_every_error_is_in_the_catalogue() -> None:
    """``docs/errors.md`` has each code, which is where ``type`` leads, with its status."""
    catalogue = dict(
        re.findall(
            r"^### ([a-z_]+)\n\n(\d{3}, (?:not )?retryable)\. ",
            CATALOGUE.read_text(),
            re.MULTILINE,
        )
    )

    expected = {error.code: stated(error) for error in all_errors()}
    assert expected == {code: catalogue.get(code) for code in expected}


def test_the_catalogue_holds_nothing_else() -> None:
    """An error that is gone leaves the catalogue with its code."""
    headings = re.findall(r"^### (.+)$", CATALOGUE.read_text(), re.MULTILINE)

    assert set() == set(headings) - {error.code for error in all_errors()}
    assert len(headings) == len(set(headings))


def stated(error: type[PayopsError]) -> str:
    return f"{status_of(error.__new__(error))}, {'' if error.retryable else 'not '}retryable"
