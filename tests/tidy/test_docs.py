"""What the documents name exists: links, paths, commands, settings, metrics, routes."""

import importlib
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from payops.infra.metrics import Metrics
from payops.infra.settings import names

ROOT = Path(__file__).parents[2]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
SECTIONS = ["Status", "Context", "Decision", "Consequences", "Check"]

# Read by developers' tools only, and told of in one place.
NO_SETTINGS = {"PAYOPS_DEV_POSTGRES_BIN", "PAYOPS_TEST_DATABASE_URL", "PAYOPS_ENV", "PAYOPS_ROLE"}

# Where things are on one machine, and where packages come from, is nobody else's business.
FORBIDDEN = re.compile(
    r"/(?:home|root|Users|work|workspace|mnt|tmp)/\w|[a-z]:\\|pypi\.org|files\.pythonhosted|"
    r"index-url|--find-links|/simple/|artifactory|TODO|FIXME|lorem",
    re.IGNORECASE,
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def anchors_of(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def broken_links(path: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        found = path.parent / file if file else path
        if not found.exists() or (anchor and anchor not in anchors_of(found.read_text())):
            yield target


def code_of(path: Path) -> str:
    """Everything between backticks, a piece a line."""
    pieces = re.findall(r"```\w*\n(.*?)```|`([^`\n]+)`", path.read_text(), re.DOTALL)
    return "\n".join(block or inline for block, inline in pieces)


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    """
    A link within the repository names a file, and a heading in it, that exist.
    """
    assert [] == list(broken_links(path))


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_a_document_is_of_no_machine(path: Path) -> None:
    """
    No document names a place on somebody's machine, a package registry, or unfinished business.
    """
    assert [] == FORBIDDEN.findall(path.read_text())


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_a_decision_is_complete(path: Path) -> None:
    """
    Number, sections in order, each with words, and a check that names something.
    """
    text = path.read_text()
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)

    assert text.startswith(f"# {path.name[:4]}. ")
    assert SECTIONS == parts[1::2]
    assert all(body.strip() for body in parts[2::2])
    assert "`" in parts[-1]


def test_decisions_are_numbered_and_listed() -> None:
    """
    No number is missing, none is given twice, and the list has them all with their titles.
    """
    listed = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\)", (DECISIONS[0].parent / "README.md").read_text(), re.MULTILINE
    )

    assert [f"{n:04}" for n in range(1, len(DECISIONS) + 1)] == [
        path.name[:4] for path in DECISIONS
    ]
    assert [(path.name[:4], path.name) for path in DECISIONS] == listed


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_every_path_that_is_named_exists(path: Path) -> None:
    """
    A file or folder of the repository in backticks is there.
    """
    named = re.findall(
        r"(?<![\w/.])((?:src|tests|docs|migrations|bench)/[\w/.-]*\w)", code_of(path)
    )

    assert [] == [name for name in named if not (ROOT / name).exists()]


def commands_in(path: Path) -> Iterator[list[str]]:
    """The words of each `payops …` in backticks or in a shell block."""
    for line in code_of(path).splitlines():
        for found in re.findall(r"(?:^|[\s(/])payops ((?:--)?[a-z][^|;&)#>]*)", line):
            yield shlex.split(found)


def fault_of(words: list[str]) -> str:
    """What is wrong with a command line: an unknown command or an unknown option."""
    command: Any = typer.main.get_command(importlib.import_module("payops.cli.main").app)
    if words and words[0] == "sandbox":
        return ""
    context = click.Context(command)
    rest = list(words)
    while rest and hasattr(command, "get_command") and not rest[0].startswith("-"):
        inner = command.get_command(context, rest[0])
        if inner is None:
            return f"no command {rest[0]}"
        command, rest = inner, rest[1:]
    known = {option for p in command.params for option in (*p.opts, *p.secondary_opts)}
    wrong = [word for word in rest if word.startswith("--") and word not in {*known, "--help"}]
    return f"no option {wrong[0]}" if wrong else ""


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_every_command_that_is_named_exists(path: Path) -> None:
    """
    A runbook whose command does not exist is found at night.
    """
    faults = {" ".join(words): fault_of(words) for words in commands_in(path)}

    assert {} == {words: fault for words, fault in faults.items() if fault}


def test_a_command_that_does_not_exist_is_noticed() -> None:
    """
    The check sees an unknown command, an unknown subcommand and an unknown option.
    """
    assert fault_of(["pray"])
    assert fault_of(["ledger", "improve"])
    assert fault_of(["ledger", "verify", "--quietly"])
    assert not fault_of(["ledger", "verify", "--json"])


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_every_make_target_that_is_named_exists(path: Path) -> None:
    """
    `make …` works as it is written.
    """
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|\s|\()make ([a-z-]+)", code_of(path), re.MULTILINE)

    assert set() == set(named) - targets


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    """
    A variable that is written wrongly would be ignored.
    """
    named = set(re.findall(r"`(PAYOPS_[A-Z0-9_]+[A-Z0-9])", path.read_text()))

    assert set() == named - set(names()) - NO_SETTINGS


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_every_metric_that_is_named_exists(path: Path) -> None:
    """
    An alert on a metric that does not exist never fires.
    """
    known = {sample for family in Metrics().registry.collect() for sample in _names(family)}
    named = re.findall(r"\bpayops_[a-z_]+[a-z](?![a-z_]*\()", code_of(path))

    assert [] == [name for name in named if name not in known and name != "payops_refuse_change"]


def _names(family: Any) -> Iterator[str]:
    yield family.name
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
    for suffix in suffixes.get(family.type, ()):
        yield f"{family.name}{suffix}"


def test_glossary_words_are_unique_and_in_order() -> None:
    """
    One word per thing, and found at once.
    """
    text = (ROOT / "docs" / "glossary.md").read_text()
    words = re.findall(r"^\| ([^|]+?) \| ", text, re.MULTILINE)[1:]

    assert sorted(set(words), key=str.lower) == words


def curl_lines() -> list[str]:
    return re.findall(r"^curl .+$", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("line", curl_lines(), ids=range(len(curl_lines())))
def test_a_curl_line_of_the_readme_parses(line: str) -> None:
    """
    One line, quoted so that a shell reads it; a route that exists; a body that is JSON.
    """
    words = shlex.split(line)
    [address] = [word for word in words if word.startswith(("$BASE", "http"))]
    if address.startswith("$BASE"):
        method = words[words.index("-X") + 1].lower() if "-X" in words else "get"
        path = address.removeprefix("$BASE").partition("?")[0]
        assert method in operations_at(path)
    if "-d" in words:
        body = json.loads(words[words.index("-d") + 1])
        assert isinstance(body, dict)
        assert any(word.startswith("Idempotency-Key: ") for word in words)


def operations_at(path: str) -> set[str]:
    """The methods that the OpenAPI document has for ``path``."""
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    for template, operations in document["paths"].items():
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path):
            return set(operations)
    return set()
