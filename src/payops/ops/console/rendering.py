"""From values to HTML: the templates, their filters, and the headers every page has."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from payops.fraud.domain.rules import NAIROBI

STATIC: Final = files("payops.ops.console") / "static"

# Nothing inline, nothing from elsewhere, and no page of ours inside another.
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # With ``no-referrer`` a form would be sent from the origin "null".
    "Referrer-Policy": "same-origin",
}
_HTML: Final = "text/html; charset=utf-8"
_TIME: Final = Markup(
    '<time datetime="{0:%Y-%m-%dT%H:%M:%SZ}" title="{0:%Y-%m-%d %H:%M:%S} UTC">'
    "{1:%d %b %H:%M:%S}</time>"
)


class Said(StrEnum):
    """What a page says about the form that led to it; an address can name no other words."""

    DONE = "done"
    ASKED = "asked"
    STARTED = "started"
    TRIED = "tried"
    SIGNED_OUT = "signed-out"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS: Final = {
    Said.DONE: "Done.",
    Said.ASKED: "Asked for. It is done when another person approves it.",
    Said.STARTED: "Started. Load the page again to see how it goes.",
    Said.TRIED: "Tried. What came of it is below.",
    Said.SIGNED_OUT: "You are signed out.",
}


def page(request: Request, template: str, status: int = 200, /, **values: Any) -> Response:
    """``template`` with ``values``, for whoever ``request`` is from."""
    text = (
        _environment()
        .get_template(template)
        .render(
            visitor=getattr(request.state, "visitor", None),
            path=request.url.path,
            said=_said(request),
            **values,
        )
    )
    return Response(text, status, headers=_HEADERS, media_type=_HTML)


def see_other(path: str, said: Said | None = None) -> Response:
    """Where to go after a form: a reload must not send it again."""
    return Response(status_code=303, headers={"Location": f"{path}?said={said}" if said else path})


def _said(request: Request) -> Said | None:
    try:
        return Said(request.query_params.get("said", ""))
    except ValueError:
        return None


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("payops.ops.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"when": _when, "words": _words, "segment": _segment, "as_json": _as_json}
    made.globals["asset"] = asset
    return made


@cache
def asset(name: str) -> str:
    """The address of a static file; it changes with the file, so it may be kept for long."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/ops/static/{name}?v={digest[:12]}"


def _when(moment: datetime | None) -> str:
    """Nairobi's wall clock; the tip and the machine-readable form are UTC."""
    if moment is None:
        return ""
    return _TIME.format(moment.astimezone(UTC), moment.astimezone(NAIROBI))


def _words(name: object) -> str:
    """``partially_paid`` as a person writes it."""
    return str(name).replace("_", " ")


def _as_json(value: Mapping[str, Any]) -> str:
    """For people: indented, and every letter as it is; the template escapes it."""
    return json.dumps(dict(value), indent=2, ensure_ascii=False, default=str)


def _segment(text: object) -> str:
    """``text`` as one segment of a path, whatever is in it."""
    return quote(str(text), safe="")
