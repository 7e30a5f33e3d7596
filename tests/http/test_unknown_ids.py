"""An id that nobody has is not found, whatever it looks like and however long it is."""

from collections.abc import AsyncIterator

import pytest

from tests.support.api import Api, code_of, running_api

ROUTES = {
    "GET /api/withdrawals/{}": "withdrawal_not_found",
    "POST /api/withdrawals/{}/cancel": "withdrawal_not_found",
    "GET /api/ops/withdrawals/{}": "withdrawal_not_found",
    "POST /api/ops/withdrawals/{}/retry": "withdrawal_not_found",
    "GET /api/ops/webhooks/{}": "webhook_not_found",
    "POST /api/ops/webhooks/{}/replay": "webhook_not_found",
    "POST /api/ops/jobs/{}/run": "job_not_found",
}
IDS = [
    "x",
    "wd_01h455vb4pex5vsknk084sn02q",
    f"wd_{'0' * 61}",
    f"wd_{'0' * 62}",  # one more than 64 characters
    "x" * 3_000,
]


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        yield made


@pytest.mark.parametrize(("route", "code"), ROUTES.items(), ids=ROUTES)
async def test_an_id_nobody_has_is_not_found(api: Api, route: str, code: str) -> None:
    """There is nothing wrong with asking; the answer does not depend on its length."""
    method, template = route.split(" ")

    answers = [
        await api.back_end.request(method, template.format(given), headers={"Idempotency-Key": "k"})
        for given in IDS
    ]

    assert [(404, code)] * len(IDS) == [code_of(answer) for answer in answers]
