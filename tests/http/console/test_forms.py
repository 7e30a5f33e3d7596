"""A form has an effect only when a page of this very session sent it, whole and once."""

from collections.abc import AsyncIterator
from urllib.parse import urlencode

import httpx
import pytest
from starlette.requests import Request

from payops.access import service as access
from payops.access.domain import Scope
from payops.infra.db import CommitUnknown
from payops.kernel.errors import PayopsError, Refused, Unavailable
from payops.ops.console.routing import refusal
from tests.support import browsing
from tests.support.browsing import Browser, Page, parsed
from tests.support.house import House, opened

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
PAGE, HALT = "/ops/switches", "/ops/switches/withdrawals/halt"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


@pytest.fixture
async def browser(house: House) -> AsyncIterator[Browser]:
    async with browsing.signed_in(house, READ, WRITE) as made:
        yield made


async def sent(
    browser: Browser, content: str | bytes, headers: dict[str, str] | None = None
) -> httpx.Response:
    """The raw form to the switch, as from a page of ours unless ``headers`` say otherwise."""
    base = browsing.SAME_ORIGIN if headers is None else headers
    return await browser.http.post(HALT, content=content, headers={**browsing.FORM_TYPE, **base})


async def token_of(browser: Browser) -> str:
    return (await browser.get(PAGE)).form_token


async def is_halted(browser: Browser) -> bool:
    return "halted" == (await browser.get(PAGE)).rows[0]["State"]


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code, as the page of the refusal shows them."""
    page = Page(answer, parsed(answer.text))
    assert "Nothing was changed." in page.text
    return page.status, text_of_code(page)


def text_of_code(page: Page) -> str:
    code, request_id = [browsing.text_of(e) for e in page.main.iter("code")][-2:]
    assert request_id == page.response.headers["X-Request-Id"]
    return code


async def test_a_form_of_this_session_is_taken_and_answered_with_a_way_on(browser: Browser) -> None:
    """303, so that a reload sends nothing again."""
    token = await token_of(browser)

    answer = await sent(browser, urlencode({"formToken": token, "reason": "rail down"}))

    assert (303, f"{PAGE}?said=done") == (answer.status_code, answer.headers["Location"])
    assert await is_halted(browser)


async def test_a_form_without_the_token_is_forged(browser: Browser) -> None:
    """Nor with an empty one, or one of the right length."""
    for token in ({}, {"formToken": ""}, {"formToken": "0" * 64}, {"formToken": "é"}):
        answer = await sent(browser, urlencode({**token, "reason": "rail down"}))

        assert (403, "request_forged") == refused(answer), token
    assert not await is_halted(browser)


async def test_the_cookie_itself_is_no_token(browser: Browser) -> None:
    """Whoever could plant a cookie could then plant both."""
    cookie = browser.http.cookies["payops_console"]

    answer = await sent(browser, urlencode({"formToken": cookie, "reason": "rail down"}))

    assert (403, "request_forged") == refused(answer)


async def test_another_session_s_token_is_forged(house: House, browser: Browser) -> None:
    """Also one of the same key: the token belongs to the browser, not to the person."""
    async with browsing.window(house) as other:
        await browsing.sign_in(other, browser.key)
        token = await token_of(Browser(other, browser.key))
    async with browsing.signed_in(house, READ, WRITE, owner="john") as john:
        of_john = await token_of(john)

    for foreign in (token, of_john):
        answer = await sent(browser, urlencode({"formToken": foreign, "reason": "rail down"}))
        assert (403, "request_forged") == refused(answer)
    assert not await is_halted(browser)


async def test_a_page_from_before_signing_in_again_must_be_opened_anew(browser: Browser) -> None:
    """Its token was of a session that this browser no longer has."""
    old = await token_of(browser)
    await browsing.sign_in(browser.http, browser.key)

    answer = await sent(browser, urlencode({"formToken": old, "reason": "rail down"}))

    assert (403, "request_forged") == refused(answer)
    assert "open the page anew" in answer.text


FOREIGN: list[dict[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": browsing.ORIGIN},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://payops.evil.test"},
    {"Origin": "http://evil.test/payops"},
    {"Origin": "http://payops@evil.test"},
    {"Origin": "http://payops:81"},
    {"Referer": "http://payops/ops/switches"},
    {},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_form_of_another_site_is_forged_though_it_knew_the_token(
    browser: Browser, headers: dict[str, str]
) -> None:
    """Two locks: what the browser says of the sender, and what only our pages hold."""
    token = await token_of(browser)

    answer = await sent(browser, urlencode({"formToken": token, "reason": "x"}), headers)

    assert (403, "request_forged") == refused(answer)
    assert not await is_halted(browser)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_site_cannot_sign_anybody_in(house: House, headers: dict[str, str]) -> None:
    """Or a person would act, without knowing, in the name of whose key it was."""
    key = await browsing.key_of(house, READ)
    async with browsing.window(house) as http:
        answer = await http.post(
            "/ops/sign-in",
            content=urlencode({"key": key}),
            headers={**browsing.FORM_TYPE, **headers},
        )

    assert (403, "request_forged") == refused(answer)
    assert "set-cookie" not in answer.headers


async def test_over_plain_http_the_origin_says_enough(browser: Browser) -> None:
    """Browsers leave Sec-Fetch-Site out there."""
    token = await token_of(browser)

    answer = await sent(
        browser, urlencode({"formToken": token, "reason": "x"}), {"Origin": browsing.ORIGIN}
    )

    assert 303 == answer.status_code


UNREADABLE = {
    "a field twice": b"&reason=a&reason=b",
    "the token twice": b"&reason=a&formToken=%s",
    "NUL in a value": b"&reason=a%%00b",
    "NUL in a name": b"&reason=a&x%%00=b",
    "raw NUL": b"&reason=a\0",
    "no UTF-8": b"&reason=%%ff%%fe",
    "half a surrogate pair": b"&reason=%%ed%%a0%%80",
    "not ASCII": "&reason=ü".encode(),
    "no pair": b"&reason",
    "too many fields": b"&reason=a" + b"".join(b"&f%d=a" % n for n in range(50)),
}


@pytest.mark.parametrize("more", UNREADABLE.values(), ids=UNREADABLE.keys())
async def test_what_two_readers_could_take_differently_is_no_form(
    browser: Browser, more: bytes
) -> None:
    """As with JSON: refused whole."""
    token = (await token_of(browser)).encode()
    more = (more % token if b"%s" in more else more).replace(b"%%", b"%")

    answer = await sent(browser, b"formToken=" + token + more)

    assert (400, "malformed_request") == refused(answer)
    assert not await is_halted(browser)


@pytest.mark.parametrize(
    "kind",
    ["", "application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www"],
)
async def test_another_kind_of_body_is_no_form(browser: Browser, kind: str) -> None:
    """Nothing is guessed from what it looks like."""
    token = await token_of(browser)

    answer = await sent(
        browser,
        urlencode({"formToken": token, "reason": "x"}),
        {**browsing.SAME_ORIGIN, "Content-Type": kind},
    )

    assert (400, "malformed_request") == refused(answer)


async def test_an_endless_form_is_not_read(browser: Browser) -> None:
    """64 KiB, as for every body."""
    token = await token_of(browser)

    answer = await sent(browser, urlencode({"formToken": token, "reason": "x" * 65 * 1024}))

    assert (413, "body_too_large") == refused(answer)


async def test_a_field_that_the_api_does_not_know_is_refused(browser: Browser) -> None:
    """A form is read as the body of the API's request: the same words for the same mistakes."""
    unknown = await browser.post(HALT, reason="x", fast="yes")
    empty = await browser.post(HALT, reason="   ")
    long = await browser.post(HALT, reason="x" * 501)
    name = await browser.post("/ops/switches/nonsense/halt", reason="x")
    fixed = await browser.post(HALT, reason="x", name="deposits")

    assert (422, "validation_failed") == (unknown.status, text_of_code(unknown))
    assert (422, "validation_failed") == (empty.status, text_of_code(empty))
    assert (422, "validation_failed") == (long.status, text_of_code(long))
    assert (404, "unknown_switch") == (name.status, text_of_code(name))
    assert "reason" in empty.text
    assert ["halted", "on"] == [row["State"] for row in (await browser.get(PAGE)).rows[:2]]
    assert "Done." == fixed.said  # the path says which


async def test_words_of_people_are_shown_as_words(browser: Browser) -> None:
    """Markup in a reason stays text; what was typed in two lines is one."""
    reason = "<script>alert('x')</script>\r\n\"><img src=x onerror=y> & {{ 7*7 }}"

    page = await browser.submit(await browser.get(PAGE), HALT, reason=reason)

    assert reason.replace("\r\n", " ") == page.rows[0]["Reason"]
    assert "\r" not in page.html
    assert not list(page.main.iter("script"))
    assert not list(page.main.iter("img"))


async def test_an_address_cannot_put_words_into_our_mouth(browser: Browser) -> None:
    """What a page says of the form before it comes from a closed list."""
    said = [
        (await browser.get(PAGE, said=said)).said
        for said in ("done", "signed-out", "Your key has expired, call 0700", "<b>", "")
    ]

    assert ["Done.", "You are signed out.", "", "", ""] == said


async def test_an_observer_sees_no_form_and_sends_none(house: House) -> None:
    """What the page does not show, the route refuses."""
    async with browsing.signed_in(house, READ) as observer:
        page = await observer.get(PAGE)
        answer = await observer.post(HALT, reason="x")

    assert [] == page.actions
    assert (403, "scope_missing") == (answer.status, text_of_code(answer))


@pytest.mark.parametrize(
    ("error", "method", "words"),
    [
        (CommitUnknown(), "POST", "Whether it was done is not known: look before you do it again."),
        (Unavailable(), "POST", "Whether it was done is not known: look before you do it again."),
        (Unavailable(), "GET", "Nothing was changed."),
        (Refused(), "POST", "Nothing was changed."),
    ],
)
def test_a_lost_commit_is_not_said_to_be_none(error: PayopsError, method: str, words: str) -> None:
    """A person who reads that nothing happened does it a second time."""
    scope = {"type": "http", "method": method, "path": HALT, "query_string": b"", "headers": []}
    request = Request(scope)

    answer = refusal(request, error)

    assert words in bytes(answer.body).decode()


def test_a_form_token_is_not_the_session_s() -> None:
    """It stands in pages; from it nobody gets to the cookie."""
    token = "made up, like a session's"

    assert access.form_token(token) == access.form_token(token)
    assert access.form_token(token) != access.form_token(token + " other")
    assert token not in access.form_token(token)
