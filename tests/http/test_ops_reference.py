"""Documentation that works offline, and says what the service really answers."""

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import payops
from payops.cli.cataloguing import errors_page
from payops.cli.main import COMMANDS, loaded
from tests.support.house import House, opened

ROOT = Path(__file__).parents[2]
STATIC = Path(payops.__file__).parent / "infra" / "web" / "static"


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def test_the_page_loads_only_from_the_service(house: House) -> None:
    """Everything it names is there, and its policy lets it load nothing else."""
    page = await house.client.get("/docs")

    named = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    answers = {name: await house.client.get(name) for name in named}
    assert 3 == len(named)
    assert {200} == {answer.status_code for answer in answers.values()}
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http" not in re.sub(r"<!doctype[^>]*>", "", page.text)


async def test_every_error_code_has_its_anchor(house: House) -> None:
    """``type`` of a problem leads to it."""
    page = await house.client.get("/docs/errors")
    codes = re.findall(r"^### (\w+)$", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)

    assert 200 == page.status_code
    assert set(codes) == set(re.findall(r'<h3 id="(\w+)">', page.text))


def test_the_page_of_errors_is_the_catalogue() -> None:
    """Made by ``payops docs``; when this fails, run that."""
    assert errors_page(ROOT / "docs" / "errors.md") == (STATIC / "errors.html").read_text()


async def test_no_other_file_is_served(house: House) -> None:
    """The assets are a list, not a folder."""
    for name in ("README.md", "..%2fapp.py", "%2e%2e/reference.py", "SHA256SUMS"):
        assert 404 == (await house.client.get(f"/docs/assets/{name}")).status_code, name


def test_what_was_taken_from_elsewhere_is_unchanged() -> None:
    """The sums are those of the published package."""
    lines = (STATIC / "swagger-ui" / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in map(str.split, lines)}

    assert {"swagger-ui-bundle.js", "swagger-ui.css", "LICENSE"} <= set(sums)
    for name, expected in sums.items():
        actual = hashlib.sha256((STATIC / "swagger-ui" / name).read_bytes()).hexdigest()
        assert expected == actual, name


async def test_the_specification_has_every_answer_with_an_example(house: House) -> None:
    """Credentials, refusals, our own failures: a client reads what it will get."""
    document = (await house.client.get("/openapi.json")).json()

    for path in document["paths"].values():
        for operation in path.values():
            answers = operation["responses"]
            assert {"400", "401", "403", "429", "500", "503"} <= set(answers)
            for status, answer in answers.items():
                if int(status) >= 400:
                    problem = answer["content"]["application/problem+json"]
                    assert int(status) == problem["example"]["status"]
    assert "bearer" in document["components"]["securitySchemes"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded(name: str) -> None:
    """The list of commands names what is there."""
    command = loaded(name)

    assert name == command.name
    assert command.help
