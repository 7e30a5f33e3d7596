"""Each route × each scope × another user's object: the matrix, made from the OpenAPI document.

A route that is added is in it at once. What it needs to name somebody's object is in ``MINE``;
a parameter that is not there gets an id that nobody has.
"""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from payops.access.api import scopes_of
from payops.access.domain import END_USER_SCOPES, Scope
from tests.support.house import House, opened

OWNER, OTHER = "amina", "baraka"
NOBODYS = "x_00000000000000000000000000"

# A body that would pass for its owner, for each operation of users that takes one.
BODIES: dict[str, dict[str, Any]] = {
    "requestWithdrawal": {"amountKES": 100, "phoneNumber": "0700000001"},
    "confirmDevice": {"code": "123456"},
    "createInvoice": {"amount": "10.00", "currency": "USD", "payCurrency": "BTC"},
}


@dataclass(frozen=True)
class Operation:
    """One operation of the document."""

    name: str
    method: str
    template: str
    takes_user_in_query: bool
    takes_user_in_body: bool

    def path(self, mine: dict[str, str]) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: mine.get(match[1], NOBODYS), self.template)

    @property
    def names(self) -> set[str]:
        """The parameters that say whose, or which."""
        return set(re.findall(r"\{(\w+)\}", self.template))


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


@pytest.fixture
async def mine(house: House) -> dict[str, str]:
    """What the owner has, under the names of the path parameters."""
    return {"userId": OWNER, "txId": (await house.withdrawal(OWNER))["txId"]}


def operations_of(house: House) -> Iterator[Operation]:
    for template, methods in house.app.openapi()["paths"].items():
        for method, described in methods.items():
            parameters = {p["name"] for p in described.get("parameters", []) if p["in"] == "query"}
            content = described.get("requestBody", {}).get("content", {})
            body = content.get("application/json", {}).get("schema", {})
            yield Operation(
                described["operationId"],
                method.upper(),
                template,
                "userId" in parameters,
                "userId" in body.get("properties", {}),
            )


async def asked(house: House, operation: Operation, path: str, **more: Any) -> tuple[int, str, str]:
    """Status, code of the problem if it is one, and the text of the answer."""
    headers = {"Idempotency-Key": "k-1", **more.pop("headers")}
    answer = await house.client.request(operation.method, path, headers=headers, **more)
    is_problem = answer.headers.get("content-type", "").startswith("application/problem")
    return answer.status_code, answer.json()["code"] if is_problem else "", answer.text


async def test_each_route_opens_to_its_own_scope_and_to_no_other(
    house: House, mine: dict[str, str]
) -> None:
    """A key with one scope: 403 everywhere but where that scope is asked for."""
    wanted = scopes_of(house.app.routes)
    keys = {scope: await house.key(scope) for scope in Scope}
    wrong = []
    for operation in operations_of(house):
        needed = wanted[f"{operation.method} {operation.template}"]
        for scope, headers in keys.items():
            _, code, _ = await asked(house, operation, operation.path({}), headers=headers)
            if (code == "scope_missing") is (scope is needed):
                wrong.append((operation.name, scope.value, code))

    assert [] == wrong


async def test_no_user_gets_at_an_object_of_another(house: House, mine: dict[str, str]) -> None:
    """Another user's id is 403, another user's object 404; nothing of it is in the answer."""
    before = await _standing(house)
    leaks = []
    for operation in operations_of(house):
        if not operation.names:
            continue
        status, code, text = await asked(
            house,
            operation,
            operation.path(mine),
            headers=house.token(OTHER),
            json=BODIES.get(operation.name),
        )
        is_refused = status in (403, 404)
        if not is_refused or mine["txId"] in text.replace(operation.path(mine), ""):
            leaks.append((operation.name, status, code))

    assert [] == leaks
    assert before == await _standing(house)


async def test_the_owner_gets_at_the_same_objects(house: House, mine: dict[str, str]) -> None:
    """Otherwise the test above would show nothing: the paths lead to something."""
    wanted = scopes_of(house.app.routes)
    reached = {
        operation.name: (await asked(house, operation, operation.path(mine), headers=token))[0]
        for operation in operations_of(house)
        if operation.names and operation.names <= set(mine)
        for token in [house.token(OWNER)]
        if wanted[f"{operation.method} {operation.template}"] in END_USER_SCOPES
    }

    assert {"getWithdrawal", "cancelWithdrawal", "getWallets"} <= set(reached)
    assert {} == {name: status for name, status in reached.items() if status in (403, 404)}


async def test_no_user_lists_what_is_another_s(house: House, mine: dict[str, str]) -> None:
    """Naming the other in the query is 403; naming nobody shows one's own only."""
    shown = []
    for operation in operations_of(house):
        if operation.method != "GET" or operation.names:
            continue
        _, _, text = await asked(house, operation, operation.path({}), headers=house.token(OTHER))
        if mine["txId"] in text:
            shown.append((operation.name, "lists"))
        if operation.takes_user_in_query:
            status, code, _ = await asked(
                house,
                operation,
                operation.path({}),
                headers=house.token(OTHER),
                params={"userId": OWNER},
            )
            if (status, code) not in ((403, "other_user"), (403, "scope_missing")):
                shown.append((operation.name, code))

    assert [] == shown


async def test_no_user_names_another_in_a_body(house: House, mine: dict[str, str]) -> None:
    """Every operation whose body takes a user's id refuses that of another."""
    operations = {o.name: o for o in operations_of(house) if o.takes_user_in_body}

    answers = {
        name: (
            await asked(
                house,
                operation,
                operation.path({}),
                headers=house.token(OTHER),
                json={"userId": OWNER, **BODIES[name]},
            )
        )[:2]
        for name, operation in operations.items()
    }

    assert "requestWithdrawal" in answers
    assert dict.fromkeys(operations, (403, "other_user")) == answers


async def test_a_key_names_whom_it_acts_for_and_sees_only_that(
    house: House, mine: dict[str, str]
) -> None:
    """The back end may act for anybody, one at a time: a list is of one user."""
    both = [Scope.WITHDRAWALS_READ, Scope.WITHDRAWALS_WRITE]

    named = await house.get("/api/withdrawals", *both, userId=OTHER)
    unnamed = await house.get("/api/withdrawals", *both)

    assert [] == named.json()["data"]
    assert (422, "validation_failed") == (unnamed.status_code, unnamed.json()["code"])


async def _standing(house: House) -> tuple[str, str]:
    """What the owner has, as the owner sees it."""
    token = house.token(OWNER)
    paths = ("/api/withdrawals", f"/api/wallets/{OWNER}")
    answers = [await house.client.get(path, headers=token) for path in paths]
    return answers[0].text, answers[1].text
