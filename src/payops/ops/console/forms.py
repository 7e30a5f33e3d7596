"""Reading a form: only from a page of ours, strictly, into the same shapes as the API's bodies."""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

from fastapi import Depends
from starlette.requests import Request

from payops.access import service as access
from payops.access.errors import RequestForged
from payops.infra.web.body import parse
from payops.infra.web.wire import Wire
from payops.kernel.errors import Malformed
from payops.ops.console.signing import doorkeeper_of

Model = TypeVar("Model", bound=Wire)

TOKEN_FIELD: Final = "formToken"  # noqa: S105 - its name, not its value
_FIELDS_MAX: Final = 50
_BOOLEANS: Final = ("true", "false")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_TYPE: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """What a person filled in; a field that was left empty is not there."""

    fields: Mapping[str, str]

    def text(self, name: str) -> str:
        """The field, ``""`` when it was left empty."""
        return self.fields.get(name, "")

    def typed(self, *names: str) -> dict[str, int | bool]:
        """Those of ``names`` that hold a whole number, ``true`` or ``false``, as JSON has them.

        What holds anything else stays text, and the model says what it should have been.
        """
        found = {name: self.text(name) for name in names}
        return {
            name: text == "true" if text in _BOOLEANS else int(text)
            for name, text in found.items()
            if text in _BOOLEANS or _WHOLE.fullmatch(text)
        }

    def read(self, model: type[Model], **fixed: Any) -> Model:
        """All fields as the body of a request to the API, under the API's names.

        ``fixed`` members stand beside the fields or replace them, with types of their own.

        Raises:
            Invalid: as the API does.
        """
        return parse(model, json.dumps({**self.fields, **fixed}).encode())


async def posted(request: Request) -> Form:
    """The form that a page of this session sent.

    Raises:
        RequestForged: another site's page did, or a page of another session.
        Malformed: not a form, or one with the same field twice.
    """
    require_same_origin(request)
    fields = dict(await fields_of(request))
    token = doorkeeper_of(request).token_of(request)
    sent = fields.pop(TOKEN_FIELD, "")
    if not hmac.compare_digest(sent.encode(), access.form_token(token).encode()):
        raise RequestForged
    return Form(fields)


Posted = Annotated[Form, Depends(posted)]


def require_same_origin(request: Request) -> None:
    """Browsers say where a form comes from; a page of another site has no business here.

    Raises:
        RequestForged: it comes from one, or from nowhere that can be told.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site != "same-origin":
            raise RequestForged
        return
    # Only over plain HTTP from another machine do browsers leave the first header out.
    origin = request.headers.get("origin", "")
    if not origin or urlsplit(origin).netloc != request.headers.get("host"):
        raise RequestForged


async def fields_of(request: Request) -> dict[str, str]:
    """The filled-in fields of a form. Raises ``Malformed``."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise Malformed("The form could not be read")
    body = await request.body()
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_FIELDS_MAX,
        )
    except ValueError:
        raise Malformed("The form could not be read") from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or any("\0" in name + value for name, value in pairs):
        raise Malformed("The form could not be read")
    # Reasons are kept as one line; in an area people press Enter all the same.
    written = {name: value.replace("\r\n", " ").strip() for name, value in pairs}
    return {name: value for name, value in written.items() if value}
