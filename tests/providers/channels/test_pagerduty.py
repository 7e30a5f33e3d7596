"""PagerDuty: events that open, join and close one incident a key."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import respx

from payops.alerts.domain import NoticeKind, Severity
from payops.alerts.ports import Delivered, Delivery, Failed, Refused
from payops.infra.http import HttpClient
from payops.providers.pagerduty.adapter import PagerDutyNotifier, event_of
from tests.support import collector
from tests.support.notices import SOURCE, notice

KEY = "R0000000000000000000000000MADEUP"
URL = "https://events.pagerduty.example/v2/enqueue"


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    async with HttpClient(timeout_seconds=1) as client:
        yield client


def pagerduty(http: HttpClient, url: str = URL) -> PagerDutyNotifier:
    return PagerDutyNotifier(http, url=url, routing_key=KEY, source=SOURCE)


async def test_trouble_triggers_an_incident(http: HttpClient) -> None:
    """Against a server that listens: the whole event, at the path of the Events API."""
    async with collector.collector(usual=collector.ACCEPTED) as server:
        outcome = await pagerduty(http, server.url).deliver(notice())

    assert Delivered() == outcome
    assert ["/v2/enqueue"] == server.paths
    assert [
        {
            "routing_key": KEY,
            "event_action": "trigger",
            "dedup_key": "rail_credentials:lipana",
            "client": "payops test",
            "links": [
                {"href": "https://wiki.betrix.example/provider-outage.md", "text": "Runbook"}
            ],
            "payload": {
                "summary": "payops test: The payout rail refuses our credentials; "
                "withdrawals wait.",
                "source": "payops test",
                "severity": "critical",
                "timestamp": "2026-11-22T02:30:00+00:00",
                "component": "payops",
                "class": "rail_credentials",
                "custom_details": {
                    "rail": "lipana",
                    "failures": "10",
                    "alert": "alr_1",
                    "raised_at": "2026-11-22T02:30:00+00:00",
                    "runbook": "https://wiki.betrix.example/provider-outage.md",
                },
            },
        }
    ] == server.bodies


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        (NoticeKind.RAISED, "trigger"),
        (NoticeKind.WORSENED, "trigger"),
        (NoticeKind.RENEWED, "trigger"),
        (NoticeKind.ESCALATED, "trigger"),
        (NoticeKind.ACKNOWLEDGED, "acknowledge"),
        (NoticeKind.RESOLVED, "resolve"),
    ],
)
def test_every_event_is_about_the_same_incident(kind: NoticeKind, action: str) -> None:
    """The alert's key joins them; only a trigger says what is the matter."""
    event = event_of(notice(kind), SOURCE)

    assert (action, "rail_credentials:lipana") == (event["event_action"], event["dedup_key"])
    assert (action == "trigger") == ("payload" in event)


@pytest.mark.parametrize("severity", Severity)
def test_every_severity_is_a_word_of_theirs(severity: Severity) -> None:
    """An unknown one would be refused."""
    event = event_of(notice(severity=severity), SOURCE)

    assert event["payload"]["severity"] in {"critical", "error", "warning", "info"}
    assert severity.value == event["payload"]["severity"]


def test_long_keys_stay_apart_and_long_words_are_cut() -> None:
    """Their limits are 255 and 1,024 characters."""
    keys = {event_of(notice(key="k" * 300 + end), SOURCE)["dedup_key"] for end in "ab"}
    event = event_of(notice(summary="x" * 5_000), SOURCE)

    assert 2 == len(keys)
    assert {255} == {len(key) for key in keys}
    assert 1_024 == len(event["payload"]["summary"])


def test_without_an_address_the_runbook_is_no_link() -> None:
    """A link that leads nowhere would make the event invalid."""
    event = event_of(notice(runbook="docs/runbooks/provider-outage.md"), SOURCE)

    assert "links" not in event
    assert "docs/runbooks/provider-outage.md" == event["payload"]["custom_details"]["runbook"]


async def test_a_trial_leaves_no_incident_behind(http: HttpClient) -> None:
    """It is opened, so that somebody sees it, and closed at once."""
    async with collector.collector(usual=collector.ACCEPTED) as server:
        outcome = await pagerduty(http, server.url).deliver(notice(NoticeKind.TEST))

    assert Delivered() == outcome
    assert ["trigger", "resolve"] == [body["event_action"] for body in server.bodies]
    assert 1 == len({body["dedup_key"] for body in server.bodies})


INVALID = {"status": "invalid event", "errors": ["'payload.severity' is invalid"]}
WRONG_KEY = {"status": "invalid event", "errors": ["Length of 'routing_key' is incorrect"]}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(202, json={"status": "success"}), Delivered()),
        (httpx.Response(400, json=INVALID), Refused("HTTP 400")),
        (httpx.Response(400, text="not JSON"), Refused("HTTP 400")),
        (httpx.Response(400, json=["errors"]), Refused("HTTP 400")),
        (httpx.Response(400, json=WRONG_KEY), Failed("HTTP 400")),
        (httpx.Response(403), Failed("HTTP 403")),
        (httpx.Response(404), Failed("HTTP 404")),
        (
            httpx.Response(429, headers={"retry-after": "120"}),
            Failed("HTTP 429", timedelta(minutes=2)),
        ),
        (httpx.Response(200, text="a proxy's own page"), Failed("HTTP 200")),
        (httpx.Response(502), Failed("HTTP 502")),
    ],
)
@respx.mock
async def test_an_answer_says_whether_to_try_again(
    http: HttpClient, response: httpx.Response, expected: Delivery
) -> None:
    """Only an invalid event is final: a wrong key may be put right."""
    respx.post(URL).mock(return_value=response)

    assert expected == await pagerduty(http).deliver(notice())


def test_an_address_with_a_path_is_left_alone(http: HttpClient) -> None:
    """A gateway of the house's own may have another one."""
    assert "https://gate.example/pd" == pagerduty(http, "https://gate.example/pd")._url
    assert "https://gate.example/v2/enqueue" == pagerduty(http, "https://gate.example/")._url


@pytest.mark.parametrize("key", ["", "a b", "k\r\nx", "k" * 200])
def test_a_key_that_is_none_is_found_at_the_start(http: HttpClient, key: str) -> None:
    with pytest.raises(ValueError, match="routing key"):
        PagerDutyNotifier(http, url=URL, routing_key=key, source=SOURCE)
