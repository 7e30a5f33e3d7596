"""Every page of the console that a link leads to, found by following them."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from tests.support.browsing import Browser, Page

PAGES_MAX: Final = 200


async def walk(browser: Browser, *starts: str) -> dict[str, Page]:
    """Each page once, by the path that it was found at; a link to nothing fails the test."""
    waiting = [(start, "") for start in ("/ops", *starts)]
    found: dict[str, Page] = {}
    dead = []
    while waiting:
        path, before = waiting.pop()
        if _place(path) in found:
            continue
        page = found[_place(path)] = await browser.get(path)
        assert len(found) < PAGES_MAX, "the walk has no end"
        if page.status != 200:
            dead.append(f"{page.status} {path} from {before}")
        waiting += [(link, path) for link in links_of(page)]
    assert not dead, dead
    return {page.path: page for page in found.values() if len(page.root)}


def links_of(page: Page) -> list[str]:
    links = (a.get("href", "") for a in page.root.iter("a"))
    return [link for link in links if link.startswith("/ops")]


def _place(path: str) -> str:
    """Pages of a list are one place, but for what they are filtered by."""
    parts = urlsplit(path)
    names = sorted(name for name, _ in parse_qsl(parts.query) if name != "cursor")
    return f"{parts.path}?{names}"
