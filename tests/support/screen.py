"""The machine's own Chromium, driven by Playwright, in front of the real server.

    async with screen.place(url) as place, place.person("jane", night.OPERATOR) as jane:
        await jane.goes("/ops/queue")

Where no Chromium is installed these tests are skipped; ``.ci/browser`` installs one.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, Response, ViewportSize, async_playwright

from payops.access.domain import Scope
from tests.support import night
from tests.support.night import Night
from tests.support.serving import serve

CHROMIUM: Final = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        if (path := shutil.which(name))
    ),
    "",
)
needs_chromium: Final = pytest.mark.skipif(
    not CHROMIUM, reason="no chromium on the PATH; .ci/browser installs one on Debian"
)

DESK: Final = ViewportSize(width=1280, height=900)
PHONE: Final = ViewportSize(width=390, height=844)

_WAIT_MS: Final = 10_000
_ARGUMENTS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's browser, and everything it complained about."""

    page: Page
    key: str
    base: str
    complaints: list[str] = field(default_factory=list)

    async def goes(self, path: str) -> None:
        """As by the address bar; the page must be there."""
        answer = await self.page.goto(self.base + path)
        assert answer
        assert answer.status == 200, f"{answer.status} {path}"

    @property
    def at(self) -> str:
        """The path and query of the page."""
        return self.page.url.removeprefix(self.base)

    async def heading(self) -> str:
        return (await self.page.locator("h1").inner_text()).strip()

    async def signs_in(self) -> None:
        """At the door, which must be open before the browser."""
        await self.page.get_by_label("API key").fill(self.key)
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.get_by_role("button", name="Sign out").wait_for()

    async def focus(self) -> str:
        """What has the keyboard: the element's words, else its name or its id."""
        found: str = await self.page.evaluate(
            "() => { const e = document.activeElement;"
            " return e.textContent.trim().split('\\n')[0] || e.name || e.id || e.tagName; }"
        )
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """The night's application on a socket, and a browser to look at it with."""

    night: Night
    base: str
    chromium: Browser

    @asynccontextmanager
    async def window(self, key: str = "", **options: Any) -> AsyncIterator[Person]:
        """A window of its own, at the door. What it complains about fails the test.

        Complaints are errors on its console, of scripts and of the content security policy,
        and requests to anywhere else.
        """
        context = await self.chromium.new_context(**{"viewport": DESK, **options})
        context.set_default_timeout(_WAIT_MS)
        try:
            person = Person(await context.new_page(), key, self.base)
            _listen(person)
            await person.goes("/ops/sign-in")
            yield person
            assert not person.complaints, person.complaints
        finally:
            await context.close()

    @asynccontextmanager
    async def person(
        self, owner: str, scopes: frozenset[Scope], **options: Any
    ) -> AsyncIterator[Person]:
        """Somebody with a new key of ``scopes``, signed in."""
        key = await self.night.key(owner, scopes)
        async with self.window(key, **options) as person:
            await person.signs_in()
            yield person


@asynccontextmanager
async def place(url: str) -> AsyncIterator[Place]:
    async with (
        night.fallen(url) as fallen,
        serve(fallen.api.app, lifespan=False) as base,
        async_playwright() as playwright,
    ):
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield Place(fallen, base, chromium)
        finally:
            await chromium.close()


def _listen(person: Person) -> None:
    complaints, page = person.complaints, person.page

    def answered(response: Response) -> None:
        if not response.url.startswith(person.base):
            complaints.append(f"it went to {response.url}")

    page.on("response", answered)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None,
    )
