"""The documentation pages: they work offline and load nothing from anywhere else."""

from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.params import Depends
from starlette.responses import FileResponse, Response

from payops.kernel.errors import NotFound

_STATIC: Final = Path(__file__).parent / "static"

# Swagger UI writes style attributes; nothing else may be inline, and nothing comes from elsewhere.
_DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_PAGE_POLICY: Final = "default-src 'none'; style-src 'self'; frame-ancestors 'none'"

_ASSETS: Final = {
    "swagger-ui-bundle.js": (_STATIC / "swagger-ui" / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (_STATIC / "swagger-ui" / "swagger-ui.css", "text/css"),
    "docs.js": (_STATIC / "docs.js", "text/javascript"),
    "page.css": (_STATIC / "page.css", "text/css"),
}
_ASSET_CACHE: Final = "public, max-age=3600"


def router(everybody: Depends) -> APIRouter:
    """Routes outside the public specification; ``everybody`` marks them as open."""
    routes = APIRouter(prefix="/docs", include_in_schema=False, dependencies=[everybody])

    @routes.get("", operation_id="docs")
    async def docs() -> Response:
        return _page("docs.html", _DOCS_POLICY)

    @routes.get("/errors", operation_id="docsErrors")
    async def errors() -> Response:
        """Where ``type`` of a problem leads: each code is an anchor."""
        return _page("errors.html", _PAGE_POLICY)

    @routes.get("/assets/{name}", operation_id="docsAsset")
    async def asset(name: str) -> Response:
        if name not in _ASSETS:
            raise NotFound
        path, kind = _ASSETS[name]
        return FileResponse(path, media_type=kind, headers={"Cache-Control": _ASSET_CACHE})

    return routes


def _page(name: str, policy: str) -> Response:
    headers = {"Content-Security-Policy": policy}
    return FileResponse(_STATIC / name, media_type="text/html", headers=headers)
