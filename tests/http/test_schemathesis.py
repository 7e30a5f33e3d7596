"""Whatever is sent, the API answers what its OpenAPI document says it answers."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from payops.cli.describing import openapi_document
from payops.fraud.domain.changes import Change
from payops.fraud.domain.devices import Origin
from payops.fraud.domain.rules import Action, Measure, Mode, Rule, Window
from payops.fraud.domain.rules import Scope as RuleScope
from payops.ops.velocity.service import Actor, VelocityDesk
from payops.webhooks.domain import show
from tests.support.api import AMINA, PHONE, Api, running_api
from tests.support.mint import Mint

EXAMPLES = 16
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(openapi_document())
# What `made_sensible` puts in, by path and field.
SENSIBLE: dict[tuple[str, str], Any] = {
    ("/api/withdrawals/mpesa", "userId"): AMINA,
    ("/api/withdrawals/mpesa", "amountKES"): 10,
    ("/api/withdrawals/mpesa", "phoneNumber"): PHONE,
    ("/api/ops/velocity/rules/{rule}", "limit"): 5,
    ("/api/ops/velocity/rules/{rule}", "mode"): "enforce",
    ("/api/ops/users/{userId}/block", "until"): None,
    ("/api/crypto/invoices", "userId"): AMINA,
    ("/api/crypto/invoices", "amount"): "20.00",
    ("/api/crypto/invoices", "currency"): "USD",
    ("/api/crypto/invoices", "payCurrency"): "BTC",
    ("/api/crypto/invoices", "provider"): "mint",
    ("/api/ops/switches", "name"): "mint",
    ("/api/wallets/{userId}/credits", "amount"): "1.50",
    ("/api/wallets/{userId}/credits", "currency"): "KES",
    ("/api/wallets/{userId}/debits", "amount"): "1.50",
    ("/api/wallets/{userId}/debits", "currency"): "KES",
}
WHOLE = {"/api/crypto/invoices"}  # its fields make sense only together
OF_AMINA = {"/api/devices/{deviceId}"}
OF_ONE_HOUR = Rule(
    "sent-an-hour", RuleScope.USER, Action.WITHDRAWAL, Measure.COUNT, Window(1), 10**5
)
WITHOUT_SUCCESS = {
    # Starting jobs beside the requests is not what is tested here, so no job's name is given.
    "POST /api/ops/jobs/{name}/run",
    # Nothing is unclear, paid, in review or asked for: what is has tests of its own.
    "POST /api/ops/withdrawals/{txId}/resolve",
    "POST /api/ops/withdrawals/{txId}/refund",
    "POST /api/ops/withdrawals/{txId}/write-off",
    "POST /api/ops/invoices/{invoiceId}/resolve",
    "POST /api/ops/approvals/{id}/approve",
    "POST /api/ops/approvals/{id}/reject",
    # Two moments at random make no period that is over; one that is has tests of its own.
    "GET /api/ops/audit/export",
    # Amina is not blocked: she withdraws.
    "POST /api/ops/users/{userId}/unblock",
}
OPERATIONS = {
    SCHEMA[path][method].label: SCHEMA[path][method] for path in SCHEMA for method in SCHEMA[path]
}


@dataclass(frozen=True)
class Door:
    """The application on a loop of its own: Hypothesis calls from outside of any."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    api: Api
    ids: dict[str, str]  # of things that are there, by the name of the parameter

    def answer(self, case: Any) -> httpx.Response:
        """What ``case`` is answered, asked for with good credentials: 401 has its own tests."""
        sent = case.as_transport_kwargs(base_url=str(self.api.back_end.base_url))
        headers = {name: value.encode("latin-1") for name, value in sent["headers"].items()}
        headers |= {"Authorization": self.api.back_end.headers["Authorization"].encode()}
        body = {"content": sent["data"]} if "data" in sent else {"json": sent.get("json")}
        request = self.api.back_end.build_request(
            sent["method"], sent["url"], params=sent.get("params"), headers=headers, **body
        )
        response: httpx.Response = self.run(self.api.back_end.send(request))
        response.elapsed = timedelta(0)  # not all have one here; none matters
        return response


@pytest.fixture
def door(url: str) -> Iterator[Door]:
    """Behind it Amina with KES 1,000 and a thing of each kind that can be asked about."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            mint = Mint()
            api = runner.run(stack.enter_async_context(running_api(url, crypto=[mint])))
            runner.run(api.shop.funds(AMINA, 1_000))
            txid = runner.run(api.withdraws()).json()["txId"]
            runner.run(api.shop.hears({}))
            (delivery,) = runner.run(api.shop.delivery_ids())
            ids = {"userId": AMINA, "txId": txid, "id": show(delivery)}
            ids |= runner.run(suspicions(api)) | runner.run(differences(api, mint))
            yield Door(runner.run, api, ids)
        finally:
            runner.run(stack.aclose())


async def suspicions(api: Api) -> dict[str, str]:
    """A device of Amina's, a verification of another, a rule and a change that waits."""
    desk = VelocityDesk(api.services.db, api.services.fraud.changing)
    somebody = Actor("key:x", "x")
    await desk.make(OF_ONE_HOUR, "r", somebody)
    change = await desk.change(
        OF_ONE_HOUR.name, limit=10**6, mode=Mode.ENFORCE, reason="r", by=somebody
    )
    strange = await api.shop.asks_for(10, user=AMINA, origin=Origin(b"s" * 32))
    body = json.loads(strange.body or b"")
    SENSIBLE["/api/device-verifications/{verificationId}/confirm", "code"] = body["devCode"]
    (device,) = (await api.amina.get("/api/devices")).json()["data"]
    assert isinstance(change, Change)
    return {
        "deviceId": device["deviceId"],
        "verificationId": body["verificationId"],
        "rule": OF_ONE_HOUR.name,
        "changeId": change.shown_id,
    }


async def differences(api: Api, mint: Mint) -> dict[str, str]:
    """An invoice of Amina's that its provider does not know any more, and the break of that."""
    body = {"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"}
    made = await api.back_end.post(
        "/api/crypto/invoices", json=body, headers={"Idempotency-Key": "k-1"}
    )
    mint.book.clear()
    await api.services.deposit_reconciliation.everything()
    (found,) = (await api.back_end.get("/api/ops/breaks")).json()["data"]
    (alert, *_) = [
        one
        for one in (await api.back_end.get("/api/ops/alerts")).json()["data"]
        if one["kind"] == "webhook_parked"  # a person may end it
    ]
    return {
        "invoiceId": made.json()["invoiceId"],
        "breakId": found["id"],
        "alertId": alert["id"],
    }


def cases(operation: Any, ids: dict[str, str]) -> st.SearchStrategy[Any]:
    """Good requests, bad ones, and good ones about things that are there."""
    names = {parameter.name for parameter in operation.path_parameters}
    known = {name: value for name, value in ids.items() if name in names}
    if operation.path.startswith("/api/ops/alerts/"):
        known["id"] = ids["alertId"]
    positive, negative = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    return st.one_of(
        operation.as_strategy(positive),
        operation.as_strategy(negative),
        operation.as_strategy(positive, path_parameters=known or None).map(made_sensible),
    )


def made_sensible(case: Any) -> Any:
    """``case`` with what no schema tells: who has money, and what can be paid."""
    if isinstance(case.body, dict):
        case.body = {
            name: SENSIBLE.get((case.path, name), value) for name, value in case.body.items()
        }
    if case.path in WHOLE:
        case.body = {field: value for (path, field), value in SENSIBLE.items() if path == case.path}
    if case.path in OF_AMINA:
        case.query = {"userId": AMINA}
    return case


# Most of the time is the generator's, and measuring coverage doubles it.
@pytest.mark.no_cover
@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_answers_as_documented(door: Door, label: str) -> None:
    """
    No error of ours, and only the statuses, content types and shapes that are written down.
    """
    seen: set[bool] = set()

    @seed(20_261_122)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(OPERATIONS[label], door.ids))
    def answers(case: Any) -> None:
        answer = door.answer(case)
        seen.add(answer.is_success)
        case.validate_response(answer, checks=CHECKS)

    answers()
    assert (True in seen) is (label not in WITHOUT_SUCCESS)


async def test_an_undocumented_answer_is_noticed() -> None:
    """
    The checks have teeth: a status, a type and a shape that are not in the document.
    """
    case = OPERATIONS["GET /api/wallets/{userId}"].Case(path_parameters={"userId": AMINA})
    request = httpx.Request("GET", f"http://payops.test/api/wallets/{AMINA}")
    good = {"userId": AMINA, "wallets": []}

    for answer in (
        httpx.Response(500, json=good, request=request),
        httpx.Response(418, json=good, request=request),
        httpx.Response(200, text="fine", request=request),
        httpx.Response(200, json={"wallets": 5}, request=request),
    ):
        answer.elapsed = timedelta(0)
        with pytest.raises(FailureGroup):
            case.validate_response(answer, checks=CHECKS)
