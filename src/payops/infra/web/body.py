"""Reading a JSON body strictly: what two readers could understand differently is refused.

``json_body(Model)`` is a dependency that stands after those of authentication and headers
in a route's signature, so that it refuses after them. The size is the middleware's to cap.
"""

import json
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final, NoReturn, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from payops.infra.web.amounts import NOT_WHOLE, AmountNotWholeShillings
from payops.infra.web.faults import faults_of
from payops.infra.web.wire import Wire
from payops.kernel import errors
from payops.kernel.errors import Fault

Model = TypeVar("Model", bound=Wire)

_BOM: Final = b"\xef\xbb\xbf"


class MalformedJson(errors.Malformed):
    """Not JSON, or JSON that readers disagree about: duplicate keys, NaN, lone surrogates."""

    code = "malformed_json"
    title = "The body is not well-formed JSON"


@cache
def json_body(model: type[Model]) -> Callable[[Request], Awaitable[Model]]:
    """A dependency that gives the request's body as ``model``.

    Raises:
        MalformedJson: not readable as JSON.
        Invalid: not an object, or a field is missing, unknown or wrong.
        AmountNotWholeShillings: nothing else is wrong but cents in a shilling amount.
    """

    async def read(request: Request) -> Model:
        return parse(model, await request.body())

    return read


def parse(model: type[Model], raw: bytes) -> Model:
    """``raw`` as ``model``; raises as ``json_body`` does."""
    raw = raw.removeprefix(_BOM)
    if not isinstance(well_formed(raw), dict):
        raise errors.Invalid(faults=[Fault("", "must be a JSON object")])
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=True, include_input=False)
    raise _refusal(found)


def well_formed(raw: bytes) -> Any:
    """``raw`` decoded, for bodies that have no model.

    Raises:
        MalformedJson: also for what ``json.loads`` itself would let pass.
    """
    try:
        document = json.loads(
            raw.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        # A ValueError covers bad UTF-8, bad JSON and integers of thousands of digits.
        raise MalformedJson from None
    if rb"\u0000" in raw and _holds_nul(document):
        raise MalformedJson("The body holds a NUL character, which cannot be stored")
    return document


def _refusal(found: list[Any]) -> errors.PayopsError:
    kinds = {error["type"] for error in found}
    if "json_invalid" in kinds:
        return MalformedJson()
    if kinds == {NOT_WHOLE}:
        return AmountNotWholeShillings(faults=faults_of(found))
    return errors.Invalid(faults=faults_of(found))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


def _holds_nul(document: Any) -> bool:
    """Whether PostgreSQL would refuse a text of ``document``."""
    match document:
        case str():
            return "\0" in document
        case dict():
            return any(_holds_nul(name) or _holds_nul(item) for name, item in document.items())
        case list():
            return any(_holds_nul(item) for item in document)
        case _:
            return False
