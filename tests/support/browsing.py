"""A browser without a screen: it reads pages as HTML, keeps cookies, and fills in what it finds.

    async with browsing.signed_in(house, Scope.OPS_READ, Scope.OPS_WRITE) as browser:
        page = await browser.get("/ops/switches")
        after = await browser.submit(page, "/ops/switches/withdrawals/halt", reason="rail down")

    assert "Done." == after.said

It does what a browser does and no more: a field or a button that the page does not have cannot
be filled in or pressed. ``browser.http`` is for whoever wants to send something else.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit
from xml.etree.ElementTree import Element, TreeBuilder

import httpx

from payops.access.domain import Scope
from tests.support.house import House

ORIGIN: Final = "http://payops"
SIGN_IN: Final = "/ops/sign-in"
TOKEN_FIELD: Final = "formToken"
# What a browser says of a form on a page of the site itself.
SAME_ORIGIN: Final = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}
FORM_TYPE: Final = {"Content-Type": "application/x-www-form-urlencoded"}

_REDIRECTS_MAX: Final = 5
# fmt: off
_VOID: Final = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr",
})
_IN_LINE: Final = frozenset({
    "a", "abbr", "b", "bdi", "code", "em", "i", "kbd", "mark", "s", "small", "span", "strong",
    "time", "u",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class FormOnPage:
    """A form, with what its fields hold before anybody touches them."""

    element: Element

    @property
    def action(self) -> str:
        return self.element.get("action", "")

    @property
    def is_post(self) -> bool:
        return self.element.get("method", "get").lower() == "post"

    @property
    def values(self) -> dict[str, str]:
        """What would be sent now, without a button's own value."""
        found = (_value(field) for field in self.fields)
        return {name: value for name, value in found if value is not None}

    @property
    def fields(self) -> list[Element]:
        """Inputs, lists and areas that have a name."""
        named = (e for e in self.element.iter() if e.tag in {"input", "textarea", "select"})
        return [field for field in named if field.get("name")]

    @property
    def names(self) -> set[str]:
        return {field.get("name", "") for field in self.fields}

    @property
    def buttons(self) -> list[str]:
        return [text_of(e) for e in self.element.iter("button")]

    def filled(self, given: Mapping[str, str]) -> dict[str, str]:
        """The values with ``given`` over them; what a browser would not send fails the test."""
        pressed = {button.get("name", "") for button in self.element.iter("button")}
        unknown = set(given) - self.names - pressed
        assert not unknown, f"{self.action} has no field {sorted(unknown)}; {sorted(self.names)}"
        for select in self.element.iter("select"):
            chosen = given.get(select.get("name", ""))
            offered = [_option_value(option) for option in select.iter("option")]
            assert chosen is None or chosen in offered, f"{chosen} is not one of {offered}"
        sent = {**self.values, **given}
        for field in self.fields:
            name = field.get("name", "")
            if field.get("required") is not None:
                assert sent.get(name), f"{self.action} is not sent without {name}"
        return sent


@dataclass(frozen=True, slots=True)
class Page:
    """What came back at the end of the redirects; a file to keep has no elements."""

    response: httpx.Response
    root: Element

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def path(self) -> str:
        """Where the browser is now, with the query."""
        return self.response.url.raw_path.decode()

    @property
    def html(self) -> str:
        return self.response.text

    @property
    def main(self) -> Element:
        """The page without the menu; all of it when it is a fragment."""
        found = self.root.find(".//main")
        return self.root if found is None else found

    @property
    def text(self) -> str:
        """What is read on the page, menu left out, in one line."""
        return text_of(self.main)

    @property
    def title(self) -> str:
        """The page's own heading."""
        (heading,) = self.root.iter("h1")
        return text_of(heading)

    @property
    def said(self) -> str:
        """What the page says about the form before it; "" when nothing."""
        return next((text_of(e) for e in self.main.iter() if e.get("role") == "status"), "")

    @property
    def rows(self) -> list[dict[str, str]]:
        """Of all tables: what stands under each label."""
        rows = (row.findall("td") for row in self.main.iter("tr"))
        labelled = ({c.get("data-label", ""): text_of(c) for c in cells} for cells in rows if cells)
        return [{label: text for label, text in row.items() if label} for row in labelled]

    @property
    def facts(self) -> dict[str, str]:
        """Of all lists of terms: term and description."""
        found: dict[str, str] = {}
        for listed in self.main.iter("dl"):
            term = ""
            for part in listed.iter():
                if part.tag == "dt":
                    term = text_of(part)
                elif part.tag == "dd":
                    found[term] = text_of(part)
        return found

    @property
    def links(self) -> dict[str, str]:
        """Words and address of each link, the menu's left out."""
        return {text_of(a): a.get("href", "") for a in self.main.iter("a")}

    @property
    def menu(self) -> list[str]:
        return [a.get("href", "") for nav in self.root.iter("nav") for a in nav.iter("a")]

    @property
    def forms(self) -> list[FormOnPage]:
        return [FormOnPage(element) for element in self.root.iter("form")]

    @property
    def actions(self) -> list[str]:
        """Where the forms of the page itself lead, those of every page left out."""
        return [FormOnPage(form).action for form in self.main.iter("form")]

    def form(self, action: str) -> FormOnPage:
        """The one form that goes to ``action``."""
        found = [form for form in self.forms if form.action == action]
        assert len(found) == 1, f"{len(found)} forms go to {action}, others to {self.actions}"
        return found[0]

    @property
    def form_token(self) -> str:
        return self.form("/ops/sign-out").values[TOKEN_FIELD]


@dataclass(frozen=True, slots=True)
class Browser:
    """One person's: cookies, and the key they signed in with."""

    http: httpx.AsyncClient
    key: str

    async def get(self, path: str, **parameters: str) -> Page:
        """As one follows a link; redirects are followed."""
        return await self._arrive(await self.http.get(path, params=parameters or None))

    async def submit(self, page: Page, action: str, **fields: str) -> Page:
        """Fill in the page's form that goes to ``action``, send it, and see where that leads."""
        form = page.form(action)
        sent = form.filled(fields)
        address = urljoin(str(page.response.url), form.action)
        if not form.is_post:
            return await self._arrive(await self.http.get(address, params=sent))
        return await self._arrive(
            await self.http.post(
                address, content=urlencode(sent), headers={**SAME_ORIGIN, **FORM_TYPE}
            )
        )

    async def post(self, path: str, **fields: str) -> Page:
        """A form with this session's token that no page has to offer: what a page would not do.

        It shows that the route refuses by itself what the page only does not show.
        """
        token = (await self.get("/ops/switches")).form_token
        sent = urlencode({TOKEN_FIELD: token, **fields})
        return await self._arrive(
            await self.http.post(path, content=sent, headers={**SAME_ORIGIN, **FORM_TYPE})
        )

    async def _arrive(self, answer: httpx.Response) -> Page:
        for _ in range(_REDIRECTS_MAX):
            if answer.status_code != httpx.codes.SEE_OTHER:
                is_page = answer.headers.get("Content-Type", "").startswith("text/html")
                return Page(answer, parsed(answer.text) if is_page else Element("document"))
            target = urljoin(str(answer.url), answer.headers["Location"])
            assert urlsplit(target).netloc == urlsplit(str(answer.url)).netloc, target
            answer = await self.http.get(target)
        raise AssertionError(f"still going in circles at {answer.url}")


@asynccontextmanager
async def window(house: House, base_url: str = ORIGIN) -> AsyncIterator[httpx.AsyncClient]:
    """Cookies of its own in front of the application; nobody signed in. It follows nothing."""
    transport = httpx.ASGITransport(house.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as http:
        yield http


@asynccontextmanager
async def signed_in(house: House, *scopes: Scope, owner: str = "jane") -> AsyncIterator[Browser]:
    """A browser whose person came in at the door, with a new key of these scopes."""
    key = await key_of(house, *scopes, owner=owner)
    async with window(house) as http:
        answer = await sign_in(http, key)
        assert (303, "/ops") == (answer.status_code, answer.headers.get("Location")), answer.text
        yield Browser(http, key)


async def key_of(house: House, *scopes: Scope, owner: str = "jane") -> str:
    """The text of a new API key."""
    return (await house.key(*scopes, owner=owner))["Authorization"].removeprefix("Bearer ")


async def sign_in(http: httpx.AsyncClient, key: str, **fields: str) -> httpx.Response:
    """What the door answers to a key; not followed."""
    return await http.post(
        SIGN_IN, content=urlencode({"key": key, **fields}), headers={**SAME_ORIGIN, **FORM_TYPE}
    )


def parsed(html: str) -> Element:
    """The elements of ``html``; what is not properly nested fails the test."""
    parser = _Strict()
    parser.feed(html)
    parser.close()
    return parser.whole()


def text_of(element: Element) -> str:
    """What a person reads in ``element``, in one line."""
    return " ".join("".join(_texts(element)).split())


class _Strict(HTMLParser):
    """Browsers repair what is nested wrongly; a page of ours must not need that."""

    def __init__(self) -> None:
        super().__init__()
        self._tree = TreeBuilder()
        self._open: list[str] = []
        self._tree.start("document", {})

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        self._tree.start(tag, {name: value or "" for name, value in attrs})
        if tag in _VOID:
            self._tree.end(tag)
        else:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing, line {self.getpos()[0]}"
        opened = self._open.pop()
        assert opened == tag, f"</{tag}> closes <{opened}>, line {self.getpos()[0]}"
        self._tree.end(tag)

    def handle_data(self, data: str) -> None:
        self._tree.data(data)

    def whole(self) -> Element:
        assert not self._open, f"left open: {self._open}"
        self._tree.end("document")
        return self._tree.close()


def _texts(element: Element) -> Iterator[str]:
    edge = "" if element.tag in _IN_LINE else " "
    yield edge
    yield element.text or ""
    for child in element:
        yield from _texts(child)
        yield child.tail or ""
    yield edge


def _value(field: Element) -> tuple[str, str | None]:
    """Name and value of a field as it stands; no value when it would not be sent."""
    name = field.get("name", "")
    if field.get("disabled") is not None:
        return name, None
    if field.tag == "textarea":
        return name, "".join(field.itertext())
    if field.tag == "select":
        options = list(field.iter("option"))
        chosen = [option for option in options if option.get("selected") is not None] or options
        return name, _option_value(chosen[0]) if chosen else None
    if field.get("type") in {"checkbox", "radio"}:
        return name, field.get("value", "on") if field.get("checked") is not None else None
    return name, field.get("value", "")


def _option_value(option: Element) -> str:
    return option.get("value", text_of(option))
