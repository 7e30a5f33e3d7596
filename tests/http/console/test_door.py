"""Who gets into the console, for how long, and what is left behind of it."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import urlencode

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from payops.access import service as access
from payops.access.domain import KEY_ID_PREFIX, Scope
from payops.infra.settings import Console, Environment, Http
from payops.kernel.ids import show_id
from tests.support import browsing
from tests.support.house import House, opened
from tests.support.sql import execute, fetch, fetchval

READ, WRITE = Scope.OPS_READ, Scope.OPS_WRITE
COOKIE = "payops_console"
PAGE = "/ops/switches"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def sessions(house: House) -> int:
    found: int = await fetchval(house.services.db, "SELECT count(*) FROM console_sessions")
    return found


async def at(http: httpx.AsyncClient, path: str = PAGE, **headers: str) -> tuple[int, str]:
    """Status, and where it sends."""
    answer = await http.get(path, headers=headers)
    return answer.status_code, answer.headers.get("Location", "")


IN = (200, "")
OUT = (303, f"/ops/sign-in?next={PAGE}")


async def bad_key(house: House, kind: str) -> str:
    """A credential that must not open the console."""
    db = house.services.db
    if kind == "user":
        return house.token("amina")["Authorization"].removeprefix("Bearer ")
    if kind == "without ops:read":
        return await browsing.key_of(house, *(set(Scope) - {READ}))
    if kind == "of production":
        return (
            await access.create_key(db, name="live", owner="jane", scopes=[READ], live=True)
        ).text
    good = await browsing.key_of(house, READ)
    if kind == "revoked":
        await execute(db, "UPDATE api_keys SET revoked_at = now()")
    elif kind == "expired":
        await execute(
            db,
            "UPDATE api_keys SET created_at = now() - interval '2 days',"
            " expires_at = now() - interval '1 day'",
        )
    elif kind == "one letter off":
        return good[:-1] + ("a" if good[-1] != "a" else "b")
    return {"nonsense": "open sesame", "not ASCII": "ключ", "empty": "", "two": f"{good} x"}.get(
        kind, good
    )


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("nonsense", 401),
        ("not ASCII", 401),
        ("two", 401),
        ("empty", 401),
        ("one letter off", 401),
        ("revoked", 401),
        ("expired", 401),
        ("of production", 401),
        ("user", 403),
        ("without ops:read", 403),
    ],
)
async def test_no_other_credential_opens_the_door(house: House, kind: str, status: int) -> None:
    """The door stays where it is, says why, and repeats nothing of what was tried."""
    key = await bad_key(house, kind)
    async with browsing.window(house) as http:
        answer = await browsing.sign_in(http, key, next=PAGE)

        assert status == answer.status_code
        assert "set-cookie" not in answer.headers
        assert 0 == await sessions(house)
        page = browsing.Page(answer, browsing.parsed(answer.text))
        assert "payops console" == page.title
        assert {"next": PAGE, "key": ""} == page.form("/ops/sign-in").values
        assert not key or key not in answer.text
        assert OUT == await at(http)


async def test_a_good_key_opens_a_session_and_is_not_kept(house: House) -> None:
    """The browser is sent on, with a cookie that says nothing of the key."""
    key = await browsing.key_of(house, READ)
    async with browsing.window(house) as http:
        answer = await browsing.sign_in(http, key)

        assert (303, "/ops", "") == (answer.status_code, answer.headers["Location"], answer.text)
        assert key not in str(answer.headers)
        assert key.rpartition("_")[2] not in str(answer.headers)
        assert IN == await at(http)


def stopped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The minutes of the rate limit do not turn in the middle of a test."""
    monkeypatch.setattr(house.services.gate.limit, "_seconds", lambda: 1_000_000)


async def test_guessing_is_limited_and_who_is_inside_stays_inside(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By network, as for the API; a session is nobody's guess."""
    async with (
        opened(url, http=Http(rate_limit_per_minute=4)) as house,
        browsing.signed_in(house, READ) as browser,
        browsing.window(house) as guesser,
    ):
        stopped(house, monkeypatch)
        like = await browsing.key_of(house, READ)
        guesses = [f"{like[:-2]}{n:02}" for n in range(6)]
        statuses = [(await browsing.sign_in(guesser, key)).status_code for key in guesses]

        assert [401, 401, 401, 401, 429, 429] == statuses
        good = await browsing.sign_in(guesser, await browsing.key_of(house, READ))
        assert (429, True) == (good.status_code, int(good.headers["Retry-After"]) > 0)
        assert "payops console" == browsing.Page(good, browsing.parsed(good.text)).title
        assert IN == await at(browser.http)


async def test_one_visitor_does_not_take_all_the_capacity(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pages count against the key like its requests to the API."""
    async with (
        opened(url, http=Http(rate_limit_per_minute=3)) as house,
        browsing.signed_in(house, READ) as browser,
    ):
        stopped(house, monkeypatch)
        statuses = [(await at(browser.http))[0] for _ in range(5)]

    assert [200, 200, 200, 429, 429] == statuses


async def test_a_page_left_open_leaves_room_to_act(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it loads by itself is counted apart, and not without end either."""
    async with (
        opened(url, http=Http(rate_limit_per_minute=4)) as house,
        browsing.signed_in(house, READ, Scope.OPS_WRITE) as browser,
    ):
        stopped(house, monkeypatch)
        page = await browser.get(PAGE)
        refresh = {"X-Refresh": "1"}
        figures = [await browser.http.get("/ops/figures", headers=refresh) for _ in range(6)]
        halted = await browser.submit(page, f"{PAGE}/withdrawals/halt", reason="the rail is down")

    assert [200, 200, 200, 200, 429, 429] == [answer.status_code for answer in figures]
    assert (200, "Done.") == (halted.status, halted.said)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test/",
        "//evil.test",
        "/ops//evil.test",
        "/ops/..//evil.test",
        "/ops/../docs",
        "/ops/%2e%2E/docs",
        "/ops/.%2e/docs",
        "/ops/./../docs",
        "/\\evil.test",
        "/ops\\evil.test",
        "/ops/\\evil.test",
        "/ops/a\n/evil.test",
        "/ops\r\nLocation: https://evil.test",
        "/ops@evil.test",
        "/opsevil",
        "/ops?said=done",
        "/ops#x",
        "javascript:alert(1)",
        "ops/queue",
        "/docs",
        "/ops/ü",
        "/ops/",
    ],
)
async def test_the_way_back_leads_nowhere_else(house: House, target: str) -> None:
    """A link to the door cannot send who signs in to another site or another part of ours."""
    key = await browsing.key_of(house, READ)
    async with browsing.window(house) as http:
        shown = await http.get("/ops/sign-in", params={"next": target})
        sent = await browsing.sign_in(http, key, next=target)

    page = browsing.Page(shown, browsing.parsed(shown.text))
    assert "/ops" == page.form("/ops/sign-in").values["next"]
    assert (303, "/ops") == (sent.status_code, sent.headers["Location"])


@pytest.mark.parametrize(
    "path",
    ["/ops", PAGE, "/ops/users/auth0%7Ca.b:c~d", "/ops/users/a%2Fb", "/ops/users/..a", "/ops/a/b"],
)
async def test_who_came_for_a_page_is_led_back_to_it(house: House, path: str) -> None:
    """A link in an alert opens its page after the door, however its ids are spelt."""
    key = await browsing.key_of(house, READ)
    async with browsing.window(house) as http:
        refused = await http.get(path)
        door = await http.get(refused.headers["Location"])
        values = browsing.Page(door, browsing.parsed(door.text)).form("/ops/sign-in").values
        sent = await browsing.sign_in(http, key, next=values["next"])

    assert (303, path) == (sent.status_code, sent.headers["Location"])


async def test_what_was_looked_for_is_not_carried_around(house: House) -> None:
    """A query may hold a phone number; the way back is the page without it."""
    async with browsing.window(house) as http:
        refused = await http.get("/ops/search?q=0700000001")

    assert "/ops/sign-in?next=/ops/search" == refused.headers["Location"]


async def test_a_part_of_a_page_sends_the_whole_page_to_the_door(house: House) -> None:
    """Otherwise the door would be drawn in the middle of an overview."""
    async with browsing.window(house) as http:
        answer = await http.get(PAGE, headers={"HX-Request": "true"})

    assert (401, "/ops/sign-in") == (answer.status_code, answer.headers["HX-Redirect"])


async def test_scripts_cannot_read_the_cookie(house: House) -> None:
    """And it is not sent with requests that other sites' pages make by themselves."""
    async with browsing.window(house) as http:
        answer = await browsing.sign_in(http, await browsing.key_of(house, READ))

    name, *flags = parts_of(answer.headers["set-cookie"])
    assert name.startswith(f"{COOKIE}=")
    assert {"httponly", "samesite=lax", "path=/", "max-age=43200"} == set(flags)


async def test_in_production_the_cookie_is_of_this_host_and_never_sent_in_clear(url: str) -> None:
    """``__Host-`` makes browsers refuse a cookie that another host or plain HTTP has set."""
    async with opened(url, env=Environment.PRODUCTION) as house:
        issued = await access.create_key(
            house.services.db, name="live", owner="jane", scopes=[READ], live=True
        )
        async with browsing.window(house, "https://payops") as http:
            answer = await browsing.sign_in(http, issued.text)
            signed_in = await at(http)
            plain = await http.get(PAGE, headers={"Cookie": f"{COOKIE}={http.cookies.popitem()}"})

    name, *flags = parts_of(answer.headers["set-cookie"])
    assert name.startswith(f"__Host-{COOKIE}=")
    assert {"httponly", "samesite=lax", "path=/", "max-age=43200", "secure"} == set(flags)
    assert IN == signed_in
    assert 303 == plain.status_code


def parts_of(cookie: str) -> list[str]:
    name, *flags = cookie.split("; ")
    return [name, *(flag.lower() for flag in flags)]


ENDS = {
    "idle": "UPDATE console_sessions SET seen_at = now() - interval '31 minutes'",
    "too long": "UPDATE console_sessions SET created_at = now() - interval '13 hours',"
    " expires_at = now() - interval '1 hour'",
    "ended": "UPDATE console_sessions SET ended_at = now()",
    "key revoked": "UPDATE api_keys SET revoked_at = now()",
    "key expired": "UPDATE api_keys SET created_at = now() - interval '2 days',"
    " expires_at = now() - interval '1 second'",
    "session gone": "DELETE FROM console_sessions",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_a_session_ends(house: House, end: str) -> None:
    """On the next request, for pages and for forms."""
    async with browsing.signed_in(house, READ, WRITE) as browser:
        page = await browser.get(PAGE)
        await execute(house.services.db, end)

        assert OUT == await at(browser.http)
        sent = await browser.http.post(
            f"{PAGE}/withdrawals/halt",
            content=urlencode({"formToken": page.form_token, "reason": "too late"}),
            headers={**browsing.SAME_ORIGIN, **browsing.FORM_TYPE},
        )
        assert (303, "/ops/sign-in?next=/ops") == (sent.status_code, sent.headers["Location"])
        assert 0 == await fetchval(
            house.services.db, "SELECT count(*) FROM switches WHERE is_halted"
        )


async def test_settings_say_how_long(url: str) -> None:
    """Both limits."""
    limits = Console(idle_minutes=5, minutes_max=60)
    async with (
        opened(url, console=limits) as house,
        browsing.signed_in(house, READ) as browser,
    ):
        db = house.services.db
        length = await fetchval(db, "SELECT expires_at - created_at FROM console_sessions")
        await execute(db, "UPDATE console_sessions SET seen_at = now() - interval '4 minutes'")
        before = await at(browser.http)
        await execute(db, "UPDATE console_sessions SET seen_at = now() - interval '6 minutes'")
        after = await at(browser.http)

    assert timedelta(hours=1) == length
    assert (IN, OUT) == (before, after)


async def idle_seconds(house: House) -> int:
    found: int = await fetchval(
        house.services.db, "SELECT extract(epoch FROM now() - seen_at)::int FROM console_sessions"
    )
    return found


async def test_a_person_s_request_keeps_the_session_and_a_timer_s_does_not(house: House) -> None:
    """An overview left open on a screen signs itself out."""
    ten_minutes_ago = "UPDATE console_sessions SET seen_at = now() - interval '10 minutes'"
    async with browsing.signed_in(house, READ) as browser:
        await execute(house.services.db, ten_minutes_ago)

        assert IN == await at(browser.http, **{"X-Refresh": "1"})
        assert 600 <= await idle_seconds(house)
        assert IN == await at(browser.http)
        assert 10 > await idle_seconds(house)


async def test_each_page_is_not_a_write(house: House) -> None:
    """A session is noted as seen at most once a minute."""
    async with browsing.signed_in(house, READ) as browser:
        await execute(
            house.services.db, "UPDATE console_sessions SET seen_at = now() - interval '50 seconds'"
        )
        await at(browser.http)

        assert 50 <= await idle_seconds(house)


async def test_signing_out_ends_it_on_the_server(house: House) -> None:
    """Whoever copied the cookie has nothing."""
    async with browsing.signed_in(house, READ) as browser, browsing.window(house) as thief:
        copy = {"Cookie": f"{COOKIE}={browser.http.cookies[COOKIE]}"}
        before = await at(thief, **copy)
        page = await browser.submit(await browser.get(PAGE), "/ops/sign-out")

        assert ("payops console", "You are signed out.") == (page.title, page.said)
        assert COOKIE not in browser.http.cookies
        assert (IN, OUT) == (before, await at(thief, **copy))


async def test_signing_out_here_leaves_the_session_elsewhere(house: House) -> None:
    """Each browser has its own; a revoked key ends them all."""
    key = await browsing.key_of(house, READ)
    async with browsing.window(house) as desk, browsing.window(house) as phone:
        await browsing.sign_in(desk, key)
        await browsing.sign_in(phone, key)
        browser = browsing.Browser(desk, key)
        await browser.submit(await browser.get(PAGE), "/ops/sign-out")
        after_sign_out = [await at(desk), await at(phone)]
        await execute(house.services.db, "UPDATE api_keys SET revoked_at = now()")

        assert [OUT, IN] == after_sign_out
        assert OUT == await at(phone)


async def test_signing_in_makes_a_new_session_each_time(house: House) -> None:
    """A cookie that was planted before does not become the session."""
    key = await browsing.key_of(house, READ)
    planted = "A" * 43
    async with browsing.window(house) as http:
        http.cookies.set(COOKIE, planted, domain="payops.local")
        await browsing.sign_in(http, key)
        first = http.cookies[COOKIE]
        await browsing.sign_in(http, key)

        assert 3 == len({planted, first, http.cookies[COOKIE]})


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "A" * 64, "A" * 65, "A" * 4000, "\xff\xfe"])
async def test_any_other_cookie_is_nobody_s(house: House, cookie: str) -> None:
    """To the door, and no error."""
    async with browsing.window(house) as http:
        header = [(b"cookie", f"{COOKIE}={cookie}".encode("latin-1"))]
        answer = await http.get(PAGE, headers=header)

    assert OUT == (answer.status_code, answer.headers["Location"])


async def test_the_database_holds_no_token(house: House) -> None:
    """What is copied out of it opens no page: neither cookie nor form."""
    async with browsing.signed_in(house, READ) as browser:
        token = browser.http.cookies[COOKIE]
        form_token = (await browser.get(PAGE)).form_token
        [row] = await fetch(house.services.db, "SELECT * FROM console_sessions")

    assert hashlib.sha256(token.encode()).digest() == row["hash"]
    assert token not in str(row)
    assert form_token not in str(row)
    assert form_token not in row["hash"].hex()


async def test_signing_in_and_out_are_on_record(house: House) -> None:
    """With the key that did it and the request; a second sign-out adds nothing."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get(PAGE)
        await browser.submit(page, "/ops/sign-out")
        await browser.submit(page, "/ops/sign-out")
    answer = await house.get("/api/ops/audit", Scope.AUDIT_READ)
    records = [r for r in answer.json()["data"] if r["kind"].startswith("console_")]

    assert ["console_signed_out", "console_signed_in"] == [r["kind"] for r in records]
    key_id = await fetchval(
        house.services.db, "SELECT k.id FROM console_sessions s JOIN api_keys k ON k.id = s.key_id"
    )
    assert {f"key:{show_id(KEY_ID_PREFIX, key_id)}"} == {r["actor"] for r in records}
    assert all(r["requestId"].startswith("req_") for r in records)


async def test_neither_key_nor_token_is_ever_logged(house: House) -> None:
    """Whatever happens: in, refused, out, or a failure nobody foresaw."""
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        async with browsing.signed_in(house, READ) as browser:
            token = browser.http.cookies[COOKIE]
            page = await browser.get(PAGE)
            await browser.post(f"{PAGE}/withdrawals/halt", reason="not mine to do")
            house.app.state.doorkeeper, kept = None, house.app.state.doorkeeper
            failed = await browser.http.get(PAGE)
            house.app.state.doorkeeper = kept
            await browser.submit(page, "/ops/sign-out")
            async with browsing.window(house) as http:
                await browsing.sign_in(http, browser.key[:-1])

    assert 500 == failed.status_code
    events = [entry for entry in logs if entry["event"] == "http.answered"]
    assert {200, 303, 401, 403, 500} == {entry["status"] for entry in events}
    text = f"{logs} {failed.text}"
    for secret in (token, page.form_token, browser.key[:-1], access.form_token(token)):
        assert secret not in text
    principals = {e["principal"] for e in events if e["operation"] == "consoleSwitches"}
    assert any(name.startswith("key:key_") for name in principals)
