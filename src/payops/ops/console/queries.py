"""What the filters above a list ask for; a field that was left empty asks for nothing."""

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BeforeValidator, StringConstraints
from starlette.requests import Request

PAGE: Final = 20  # rows of a list
_NO_FILTERS: Final = frozenset({"cursor", "said"})


def _filled(value: object) -> object:
    return value.strip() or None if isinstance(value, str) else value


# Browsers send every field of a form, so an empty one has to mean what a missing one means.
Filled: Final = BeforeValidator(_filled)
_Words = Annotated[str, StringConstraints(max_length=128)]
Text = Annotated[_Words | None, Filled, Query()]
UserId = Annotated[_Words | None, Filled, Query(alias="userId")]


def filters_of(request: Request) -> str:
    """The filters of this part of a list, for the address of the next part."""
    return urlencode(
        [
            (name, value)
            for name, value in request.query_params.multi_items()
            if value.strip() and name not in _NO_FILTERS
        ]
    )
