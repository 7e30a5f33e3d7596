"""FastAPI's fields make their validators when a request needs them, not all for every application.

An application has three hundred, a test needs a few, and making them was more than half of what
a test over HTTP took. Processes that tests start make all of them at once, as production does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi._compat.v2 import ModelField

_make = ModelField.__post_init__


class _WhenUsed:
    """Stands in for an attribute that ``_make`` sets, which then hides it."""

    def __get__(self, field: ModelField, _: type[ModelField]) -> Any:
        _make(field)
        return vars(field)["_type_adapter"]


@contextmanager
def made_when_used() -> Iterator[None]:
    ModelField.__post_init__ = lambda _: None  # type: ignore[assignment,method-assign]
    ModelField._type_adapter = _WhenUsed()  # type: ignore[assignment]
    try:
        yield
    finally:
        ModelField.__post_init__ = _make  # type: ignore[method-assign]
        del ModelField._type_adapter  # type: ignore[misc]
