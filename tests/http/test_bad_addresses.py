"""What is wrong with a path or a query is refused like what is wrong with a body."""

import re
from collections.abc import AsyncIterator

import pytest

from payops.access.api import scopes_of
from tests.support.api import AMINA, Api, code_of, running_api
from tests.support.nonsense import ANSI, CRLF, SECRET, SQL

NO_PATH = [
    "%00",
    "%0d%0aSet-Cookie:%20a",
    "%1b[31m",
    "%27%3B%20DROP%20TABLE%20wallets",
    "..%2f..%2fetc",
    "%ff%fe",
    "%f0%9f%a6%94",
    "%252e",
    "x" * 5_000,
    "wd_7zzzzzzzzzzzzzzzzzzzzzzzzz%0a",
    "{txId}",
]


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        yield made


async def test_a_path_holds_an_id_or_leads_nowhere(api: Api) -> None:
    """
    On every route that has one, 400, 404 or 422; never an error of ours, never an echo.
    """
    routes = [
        route
        for route in scopes_of(api.app.routes)
        # The console's are pages, with tests of their own.
        if "{" in route and not route.split(" ")[1].startswith(("/docs", "/webhooks", "/ops"))
    ]
    for route in routes:
        method, template = route.split(" ")
        for given in NO_PATH:
            path = re.sub(r"\{\w+\}", f"{SECRET}{given}", template)
            answer = await api.back_end.request(method, path, headers={"Idempotency-Key": "k"})
            status, _ = code_of(answer)
            assert status in {400, 404, 422}, (route, given, answer.text)
            assert SECRET not in answer.text, route


async def test_a_query_is_taken_or_refused(api: Api) -> None:
    """
    Every parameter of every list: never an error of ours, never an echo.
    """
    nasty = ["", SECRET, SQL, ANSI, CRLF, "-1", "0", "9" * 400, "1e9", "NaN", "true", "é", "A" * 22]
    moments = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-01T00:00:00Z"]
    paths = api.app.openapi()["paths"]
    for path, operations in paths.items():
        parameters = operations.get("get", {}).get("parameters", [])
        for name in [one["name"] for one in parameters if one["in"] == "query"]:
            for value in nasty + moments:
                query = {"userId": AMINA} | {name: value}
                target = path.replace("{userId}", AMINA).replace("{txId}", "x").replace("{id}", "x")
                answer = await api.back_end.get(target, params=query)
                assert answer.status_code in {200, 404, 422}, (path, name, value, answer.text)
                assert SECRET not in answer.text, (path, name)


async def test_a_moment_beyond_the_calendar_is_refused(api: Api) -> None:
    """
    Its offset leads to a year that neither we nor the database have.
    """
    for at in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
        answer = await api.back_end.get(f"/api/wallets/{AMINA}", params={"at": at})

        assert (422, "validation_failed") == code_of(answer)
        assert ["/query/at"] == [fault["pointer"] for fault in answer.json()["errors"]]


async def test_a_notification_is_judged_by_its_signature_whatever_its_path(api: Api) -> None:
    """
    401 with nothing more to learn for a stranger.
    """
    paths = ["x" * 5_000, f"{SECRET}%0d%0a", "%27;--", "wd_%F0%9F%A6%94"]
    for path in paths:
        answer = await api.stranger.post(
            f"/webhooks/mpesa/{path}", content=b"{}", headers={"x-lipana-signature": "00" * 32}
        )
        assert (401, {"error": "unauthorized"}) == (answer.status_code, answer.json())

    assert [("rejected", None)] * len(paths) == await api.shop.inbox()
