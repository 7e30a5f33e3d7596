"""Whatever is sent, the API answers what its OpenAPI document says it answers."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from payops.cli.describing import openapi_document
from tests.support.api import AMINA, Api, running_api

EXAMPLES = 30
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(openapi_document())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}


@dataclass(frozen=True)
class Door:
    """The application on a loop of its own: Hypothesis calls from outside of any."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    api: Api
    ids: dict[str, str]  # of things that are there, by the name of the parameter

    def answer(self, case: Any) -> httpx.Response:
        sent = case.as_transport_kwargs(base_url="http://payops.test")
        body = {"content": sent["data"]} if "data" in sent else {"json": sent.get("json")}
        request = self.api.back_end.build_request(
            sent["method"],
            sent["url"],
            params=sent.get("params"),
            headers={n: v.encode("latin-1") for n, v in dict(sent["headers"]).items() if n[0] != "U"},
            **body,
        )
        response: httpx.Response = self.run(self.api.back_end.send(request))
        return response


@pytest.fixture
def door(url: str) -> Iterator[Door]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            api = runner.run(stack.enter_async_context(running_api(url)))
            runner.run(api.shop.funds(AMINA, 1_000))
            txid = runner.run(api.withdraws()).json()["txId"]
            yield Door(runner.run, api, {"userId": AMINA, "txId": txid})
        finally:
            runner.run(stack.aclose())


def cases(operation: Any, ids: dict[str, str]) -> st.SearchStrategy[Any]:
    """Good requests, bad ones, and good ones about things that are there."""
    names = {parameter.name for parameter in operation.path_parameters}
    known = {name: value for name, value in ids.items() if name in names}
    ways = [
        operation.as_strategy(GenerationMode.POSITIVE),
        operation.as_strategy(GenerationMode.NEGATIVE),
    ]
    if known:
        ways.append(operation.as_strategy(GenerationMode.POSITIVE, path_parameters=known))
    return st.one_of(ways)


@pytest.mark.parametrize("label", OPERATIONS)
def test_an_operation_answers_as_documented(door: Door, label: str) -> None:
    """
    No error of ours, and only the statuses, content types and shapes that are written down.
    """

    @seed(20_261_122)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(OPERATIONS[label], door.ids))
    def answers(case: Any) -> None:
        case.validate_response(door.answer(case), checks=CHECKS)

    answers()
