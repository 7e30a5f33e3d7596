"""Slack: what is posted, and what its answers mean."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from payops.alerts.domain import NoticeKind
from payops.alerts.ports import Delivered, Delivery, Failed, Refused
from payops.infra.http import HttpClient
from payops.providers.slack.adapter import SlackNotifier, message_of
from tests.support import collector
from tests.support.notices import SOURCE, notice
from tests.support.waiting import free_port

HOOK = "https://hooks.slack.example/services/T000/B000/made-up"


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with HttpClient(timeout_seconds=1) as client:
        yield client


def slack(http: HttpClient, url: str = HOOK) -> SlackNotifier:
    return SlackNotifier(http, webhook_url=url, source=SOURCE)


def texts(value: Any) -> list[str]:
    """Every text that Slack would read as its markup."""
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [text for item in value.values() for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else []


async def test_a_message_arrives_as_json_with_text_and_blocks(http: HttpClient) -> None:
    """Against a server that listens: one POST, its content type, a headline, facts, a link."""
    async with collector.collector() as server:
        outcome = await slack(http, f"{server.url}/services/T/B/x").deliver(notice())

    (body,) = server.bodies
    assert Delivered() == outcome
    assert (["/services/T/B/x"], ["application/json"]) == (server.paths, server.types)
    assert "[critical] The payout rail refuses our credentials; withdrawals wait." == body["text"]
    headline, facts, context = body["blocks"]
    assert {"type": "mrkdwn", "text": "*rail*\nlipana"} == facts["fields"][0]
    assert headline["text"]["text"].startswith("*[critical] *The payout")
    (said,) = context["elements"]
    assert "payops test · rail_credentials · alr_1 · raised 2026-11-22 02:30:00 UTC" in said["text"]
    assert "<https://wiki.betrix.example/provider-outage.md|Runbook>" in said["text"]


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        (NoticeKind.WORSENED, "Worse: "),
        (NoticeKind.RENEWED, "Again, by another: "),
        (NoticeKind.ESCALATED, "Still open and not acknowledged: "),
        (NoticeKind.ACKNOWLEDGED, "Acknowledged: "),
        (NoticeKind.RESOLVED, "Over: "),
        (NoticeKind.TEST, "Test: "),
    ],
)
def test_what_has_happened_stands_first(kind: NoticeKind, start: str) -> None:
    """A telephone shows the first words only."""
    assert message_of(notice(kind), SOURCE)["text"].startswith(f"[critical] {start}")


def test_nothing_is_read_as_markup() -> None:
    """No mention of everybody, no link, wherever it stands."""
    bad = "<!channel> <https://evil.example|click> & more"
    message = message_of(
        notice(summary=bad, key=bad, alert_kind=bad, detail={bad: bad}, runbook=f"docs/{bad}"), bad
    )

    for text in texts(message):
        assert "<" not in text
        assert "&lt;!channel&gt;" in text
        assert "&amp; more" in text


def test_a_long_story_is_cut_to_what_slack_takes() -> None:
    """Escaping makes texts longer, and a message that is too long is refused as a whole."""
    detail = {f"name{n}": "&" * 5_000 for n in range(50)}
    message = message_of(notice(summary="<" * 9_000, detail=detail), SOURCE)

    headline, facts, context = message["blocks"]
    assert len(headline["text"]["text"]) < 3_000 * 2
    assert 10 == len(facts["fields"])
    assert all(len(field["text"]) <= 2_000 for field in facts["fields"])
    assert len(context["elements"][0]["text"]) <= 2_000


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, Delivered()),
        (400, {}, Refused("HTTP 400")),
        (403, {}, Failed("HTTP 403")),
        (404, {}, Failed("HTTP 404")),
        (410, {}, Failed("HTTP 410")),
        (302, {"location": "https://elsewhere.example"}, Failed("HTTP 302")),
        (500, {}, Failed("HTTP 500")),
        (429, {"retry-after": "30"}, Failed("HTTP 429", timedelta(seconds=30))),
        (429, {"retry-after": "999999"}, Failed("HTTP 429", timedelta(hours=1))),
        (429, {"retry-after": "soon"}, Failed("HTTP 429")),
        (503, {"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, Failed("HTTP 503", timedelta())),
    ],
)
@respx.mock
async def test_an_answer_says_whether_to_try_again(
    http: HttpClient, status: int, headers: dict[str, str], expected: Delivery
) -> None:
    """Only what is about the message itself is final; a webhook that is gone may come back."""
    respx.post(HOOK).mock(return_value=httpx.Response(status, headers=headers, text="no_service"))

    assert expected == await slack(http).deliver(notice())


async def test_no_answer_is_a_failure_that_tells_no_secret(http: HttpClient) -> None:
    """Neither a refused connection nor silence shows where the webhook is."""
    async with collector.collector(collector.HANG) as server:
        silent = await slack(http, f"{server.url}/services/secret").deliver(notice())
    refused = await slack(http, f"http://127.0.0.1:{free_port()}/secret").deliver(notice())

    assert (Failed("AnswerMissing: TimeoutError"), Failed("NeverWritten: ConnectError")) == (
        silent,
        refused,
    )


@pytest.mark.parametrize(
    "url", ["", "hooks.slack.example", "ftp://x.example/", "https://u:p@x.example/"]
)
def test_a_webhook_that_is_none_is_found_at_the_start(http: HttpClient, url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        slack(http, url)
    assert "u:p" not in str(caught.value)
