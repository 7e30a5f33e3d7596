"""What every page has and none may have, read from the pages themselves.

The pages are found by walking: from the menu along every link, as somebody with every scope.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Final
from urllib.parse import unquote
from xml.etree.ElementTree import Element

import pytest

from payops.access.domain import Scope
from payops.ops.console.rendering import STATIC
from tests.http.console.test_scopes import routes_of
from tests.support import browsing
from tests.support.browsing import Page, text_of
from tests.support.house import House, opened
from tests.support.night import Night, fallen
from tests.support.walking import walk

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
ADDRESSES: Final = {"href", "src", "action", "hx-get", "hx-post", "formaction", "poster", "data"}
FILES: Final = ("console.css", "console.js", "htmx.min.js", "icon.svg")


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


@pytest.fixture
async def night(url: str) -> AsyncIterator[Night]:
    async with fallen(url) as made:
        yield made


async def test_pages_are_bare_of_what_is_foreign_or_inline(night: Night) -> None:
    """All of them, as they are with data in them; and links lead to every page there is."""
    async with browsing.signed_in(night.house, *Scope) as browser:
        switches = await browser.get("/ops/switches")
        await browser.submit(switches, "/ops/switches/deposits/halt", reason="<b onclick=x>&'\">")
        found = await walk(browser, "/ops/search?q=usr_amina")
    for page in found.values():
        assert [] == list(faults_of(page)), page.path
        headers = page.response.headers
        assert CSP == headers["Content-Security-Policy"], page.path
        assert "same-origin" == headers["Referrer-Policy"]
        assert ("no-store", "nosniff", "DENY") == (
            headers["Cache-Control"],
            headers["X-Content-Type-Options"],
            headers["X-Frame-Options"],
        )
        assert "set-cookie" not in headers
    assert [] == list(unreached(night.house, {path.partition("?")[0] for path in found}))


# Parts of pages and files to keep, which are no pages, and what is nowhere.
NO_PAGES: Final = {"GET /ops/{path:path}", "GET /ops/figures", "GET /ops/reports/daily.{form}"}


def unreached(house: House, paths: set[str]) -> Iterator[str]:
    """The pages that have a route and no link that leads to them."""
    for route, scope in routes_of(house).items():
        method, path = route.split(" ")
        if method != "GET" or scope is None or route in NO_PAGES:
            continue
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))
        if not any(re.fullmatch(pattern, at) for at in paths):
            yield route


async def test_the_door_and_its_refusals_are_such_pages_too(house: House) -> None:
    """For strangers there is no other page."""
    async with browsing.window(house) as http:
        door = await http.get("/ops/sign-in?next=/ops/%22onmouseover=%22x")
        refused = await browsing.sign_in(http, "<script>x</script>", next="/ops/a'b")
        forged = await http.post("/ops/sign-in")

    for answer in (door, refused, forged):
        page = Page(answer, browsing.parsed(answer.text))
        assert [] == list(faults_of(page))
        assert CSP == answer.headers["Content-Security-Policy"]
        assert "no-store" == answer.headers["Cache-Control"]
        assert "<script>x" not in answer.text


def faults_of(page: Page) -> Iterator[str]:
    """What a page of ours must not have, in words."""
    for element in page.root.iter():
        yield from _inline(element)
        for name in ADDRESSES & set(element.keys()):
            if not re.match(r"/(?!/)|#|\?", element.get(name, "")):
                yield f"{name}={element.get(name)}"
    for form in page.forms:
        if form.is_post and form.action != "/ops/sign-in" and "formToken" not in form.names:
            yield f"no token to {form.action}"
        if not form.is_post and "formToken" in form.names:
            yield f"the token would be in the address of {form.action}"
    yield from _hard_to_use(page)


def _inline(element: Element) -> Iterator[str]:
    if element.tag in {"style", "iframe", "object", "embed", "base"}:
        yield f"<{element.tag}>"
    if element.tag == "script" and (element.text or not element.get("src")):
        yield "a script inline"
    if element.tag == "link" and element.get("rel") not in {"icon", "stylesheet"}:
        yield f"<link rel={element.get('rel')}>"
    for name in sorted(element.keys()):
        if name == "style" or name.startswith(("on", "hx-on", "hx-vals")):
            yield f"{name} on <{element.tag}>"
    if element.tag == "meta" and element.get("http-equiv"):
        yield "meta http-equiv"


def _hard_to_use(page: Page) -> Iterator[str]:
    """What a screen reader or a keyboard would stumble over."""
    (html,) = page.root.iter("html")
    if html.get("lang") != "en":
        yield "no language"
    levels = [int(e.tag[1]) for e in page.main.iter() if re.fullmatch(r"h[1-6]", e.tag)]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} first headings"
    yield from (f"h{b} under h{a}" for a, b in pairwise(levels) if b > a + 1)
    ids = [e.get("id") for e in page.root.iter() if e.get("id")]
    yield from (f"id {name} twice" for name in set(ids) if ids.count(name) > 1)
    yield from (f"unlabelled {name}" for name in _unlabelled(page.root))
    for element in page.root.iter():
        if element.tag in {"a", "button", "summary"} and not _named(element):
            yield f"a <{element.tag}> without words"
        if element.tag == "table" and not list(element.iter("th")):
            yield "a table without headings"
        if element.tag in {"img", "svg"} and not _named(element) and not _hidden(element):
            yield f"<{element.tag}> without words"
        if (element.get("tabindex") or "0") not in {"0", "-1"}:
            yield "an order of its own"


def _named(element: Element) -> bool:
    return bool(text_of(element) or element.get("aria-label") or element.get("alt"))


def _hidden(element: Element) -> bool:
    return element.get("aria-hidden") == "true"


def _unlabelled(root: Element) -> Iterator[str]:
    """Fields that no label is around and none is for."""
    named = {label.get("for") for label in root.iter("label")}
    inside = {
        field
        for label in root.iter("label")
        for field in label.iter()
        if field.tag in {"input", "select", "textarea"}
    }
    for field in root.iter():
        if field.tag not in {"input", "select", "textarea"} or field.get("type") == "hidden":
            continue
        if field in inside or field.get("id", "-") in named or field.get("aria-label"):
            continue
        yield field.get("name", "")


@pytest.mark.parametrize("name", FILES)
async def test_files_may_be_kept_because_their_address_changes(house: House, name: str) -> None:
    """For a year; nothing in them loads anything from elsewhere."""
    async with browsing.window(house) as http:
        answer = await http.get(f"/ops/static/{name}")

    assert 200 == answer.status_code
    assert "public, max-age=31536000, immutable" == answer.headers["Cache-Control"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]
    assert not re.search(r"@import|url\(|//[a-z]+\.[a-z]", unquote(_ours(name, answer.text)))


def _ours(name: str, text: str) -> str:
    """What is not ours is compared with its sum; an icon must name its own format."""
    if name == "htmx.min.js":
        return ""
    return text.replace("http://www.w3.org/2000/svg", "")


async def test_the_address_of_a_file_names_what_is_in_it(house: House) -> None:
    """So that a new version is loaded at once."""
    async with browsing.window(house) as http:
        door = browsing.parsed((await http.get("/ops/sign-in")).text)
        addresses = [e.get("src") or e.get("href") or "" for e in door.iter() if e.tag != "a"]
        loaded = [a for a in addresses if a.startswith("/ops/static/")]
        for address in loaded:
            answer = await http.get(address)
            digest = hashlib.sha256(answer.content).hexdigest()

            assert address.endswith(f"?v={digest[:12]}"), address
    assert {f"/ops/static/{name}" for name in FILES} == {a.partition("?")[0] for a in loaded}


@pytest.mark.parametrize(
    "name", ["README.md", "SHA256SUMS", "..%2frouter.py", "%2e%2e/router.py", "htmx.LICENSE", ".."]
)
async def test_no_other_file_is_served(house: House, name: str) -> None:
    """The files are a list, not a folder."""
    async with browsing.window(house) as http:
        answer = await http.get(f"/ops/static/{name}")

    assert answer.status_code in {303, 404}


def test_what_was_taken_from_elsewhere_is_unchanged() -> None:
    """The sums are those of the published package."""
    lines = (STATIC / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in map(str.split, lines)}

    assert {"htmx.min.js", "htmx.LICENSE"} == set(sums)
    for name, expected in sums.items():
        assert expected == hashlib.sha256((STATIC / name).read_bytes()).hexdigest(), name
