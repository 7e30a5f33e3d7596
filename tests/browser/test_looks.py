"""How the pages look and whether they break anything, measured in a real browser."""

from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from payops.access.domain import Scope
from tests.support import browsing, night, screen
from tests.support.screen import Person, Place
from tests.support.walking import walk

pytestmark = [screen.needs_chromium, pytest.mark.slow]

CONTRAST_MIN: Final = 4.5  # WCAG 2.2, AA, for text of any size

# Every visible text against what is painted behind it; the worst of each pair of colours.
_CONTRASTS: Final = """
() => {
  const parts = (colour) => {
    const at = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    at.fillStyle = colour;
    at.fillRect(0, 0, 1, 1);
    return [...at.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const back = parts(getComputedStyle(e).backgroundColor);
      if (back[3] === 255) return back;
    }
    return [255, 255, 255, 255];
  };
  const worst = new Map();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (!texts.currentNode.data.trim() || !element.getClientRects().length) continue;
    if (style.opacity === "0" || style.visibility !== "visible") continue;
    const isDrawn = element.closest("svg");
    const [a, b] = [light(parts(isDrawn ? style.fill : style.color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${element.tagName}.${element.getAttribute("class") ?? ""}`;
    if (!(worst.get(name)?.[0] <= ratio)) worst.set(name, [ratio, texts.currentNode.data.trim()]);
  }
  return [...worst].map(([name, [ratio, text]]) => ({ name, ratio, text }));
}
"""

_PAPER: Final = "getComputedStyle(document.documentElement).backgroundColor"
_UNFOLD: Final = "document.querySelectorAll('details').forEach((one) => { one.open = true; })"

# What reaches beyond the right edge, if anything makes the page scroll sideways. A phone's
# innerWidth grows with what is too wide, so it is not asked.
_TOO_WIDE: Final = f"""
() => document.documentElement.scrollWidth <= {screen.PHONE["width"]} ? [] :
  [...document.querySelectorAll("main *, header *")]
    .filter((e) => e.getBoundingClientRect().right > {screen.PHONE["width"]} + 1)
    .map((e) => e.tagName + "." + e.className + ": " + e.textContent.trim().slice(0, 40))
    .slice(0, 5).concat(["the page scrolls sideways"])
"""

# Smaller than a finger: links in running text are what WCAG lets be.
_TOO_SMALL: Final = """
() => [...document.querySelectorAll("button, summary, nav a, input:not([type=hidden]), select")]
  .filter((e) => e.getClientRects().length && !e.closest(".unseen"))
  .filter((e) => { const r = e.getBoundingClientRect(); return r.height < 24 || r.width < 24; })
  .map((e) => `${e.tagName.toLowerCase()} ${e.textContent.trim().slice(0, 30)}`)
"""


@pytest.fixture
async def place(url: str) -> AsyncIterator[Place]:
    async with screen.place(url) as made:
        yield made


async def pages_of(place: Place) -> list[str]:
    async with browsing.signed_in(place.night.house, *Scope) as browser:
        return [path for path in await walk(browser) if "cursor=" not in path]


async def measured(person: Person, script: str) -> list[Any]:
    found: list[Any] = await person.page.evaluate(script)
    return found


async def test_every_page_can_be_read_by_day_and_by_night(place: Place) -> None:
    """Contrast in both colour schemes; and no page makes the browser complain."""
    paths = await pages_of(place)
    assert len(paths) > 25
    async with place.person("jane", frozenset(Scope)) as jane:
        faint, papers = [], set()
        for path in paths:
            await jane.goes(path)
            for scheme in ("light", "dark"):
                await jane.page.emulate_media(color_scheme=scheme)
                papers.add(
                    await jane.page.evaluate(
                        "getComputedStyle(document.body.parentNode).backgroundColor"
                    )
                )
                faint += [
                    (scheme, path, one["name"], round(one["ratio"], 1), one["text"])
                    for one in await measured(jane, _CONTRASTS)
                    if one["ratio"] < CONTRAST_MIN
                ]

    assert [] == faint
    assert 2 == len(papers)


async def test_every_page_fits_a_phone(place: Place) -> None:
    """Nothing scrolls sideways, everything can be hit, and nothing complains there either."""
    paths = await pages_of(place)
    async with place.person(
        "jane", frozenset(Scope), viewport=screen.PHONE, is_mobile=True, has_touch=True
    ) as jane:
        wide, small = {}, {}
        for path in ["/ops/sign-in", *paths]:
            await jane.goes(path)
            if found := await measured(jane, _TOO_WIDE):
                wide[path] = found
            if found := await measured(jane, _TOO_SMALL):
                small[path] = found

    assert {} == wide
    assert {} == small


async def test_folded_forms_fit_a_phone_too(place: Place) -> None:
    """Opened all at once, on the pages with most of them."""
    one = place.night
    async with place.person("jane", frozenset(Scope), viewport=screen.PHONE) as jane:
        wide = {}
        for path in (
            f"/ops/withdrawals/{one.review}",
            f"/ops/invoices/{one.invoice}",
            f"/ops/users/{night.AMINA}",
            "/ops/approvals",
            "/ops/limits",
            "/ops/switches",
            "/ops/crypto",
        ):
            await jane.goes(path)
            await jane.page.evaluate(
                "document.querySelectorAll('details').forEach(d => d.open = true)"
            )
            if found := await measured(jane, _TOO_WIDE):
                wide[path] = found

    assert {} == wide


async def test_no_page_lets_anything_foreign_in(place: Place) -> None:
    """The policy is in force: a script that came into a page would neither run nor call home."""
    async with place.person("jane", night.OBSERVER) as jane:
        await jane.goes("/ops/queue")
        await jane.page.evaluate(
            "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
            " document.body.append(s);"
            " const i = new Image(); i.src = 'http://127.0.0.1:1/x'; document.body.append(i);"
            " document.body.setAttribute('style', 'display: none'); }"
        )
        await jane.page.wait_for_function("() => true")

        assert await jane.page.evaluate("window.ran === undefined")
        assert "none" != await jane.page.evaluate("getComputedStyle(document.body).display")
        assert len(jane.complaints) >= 2
        assert all("Content Security Policy" in said for said in jane.complaints), jane.complaints
        jane.complaints.clear()
