"""The rules of the house that no linter knows, read from the syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import payops

SOURCE = Path(payops.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400

# Places where a rule does not hold, because they are what the rule sends everybody to.
ENDS_TRANSACTIONS = {"infra/db.py"}
READS_THE_CLOCK = {"kernel/clock.py"}
READS_THE_ENVIRONMENT = ("infra/settings", "cli", "dev", "sandbox", "__main__.py")
SPEAKS_HTTP = ("infra/http.py", "infra/http", "sandbox", "dev", "cli")
IMITATES = ("sandbox", "dev")  # not the product: its own process and its own rules
COUNTS_MONEY = (
    *("kernel/money.py", "kernel/ids.py", "ledger", "withdrawals", "deposits", "reconciliation"),
    *("fraud", "providers", "idempotency", "webhooks", "ops", "infra/web/amounts.py"),
)
BANNED_NAMES = {"utils", "helpers", "common", "manager", "misc"}
SECRET_WORDS = (
    *("signature", "digest", "hmac", "secret", "token_hash", "password", "code_hash"),
    *("passcode", "api_key", "one_time_code", "mac_of", "signed_with"),
)
# Whole names: as parts of others they are harmless.
SECRET_NAMES = {"mac", "otp", "sig", "token", "key_text", "given_code", "expected_code", "pin"}


def place_of(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def is_in(path: Path, places: tuple[str, ...] | set[str]) -> bool:
    place = place_of(path)
    return any(place == known or place.startswith(f"{known}/") for known in places)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def last_name(node: ast.expr) -> str:
    """What an expression is called: ``signature`` of ``request.signature``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower()
        case ast.Call(func=called):
            return last_name(called)
        case _:
            return ""


def size_faults(path: Path, text: str, tree: ast.AST) -> Iterator[str]:
    lines = text.count("\n")
    if lines > FILE_LINES_MAX:
        yield f"the file has {lines} lines"
    for function in functions(tree):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > FUNCTION_LINES_MAX:
            yield f"line {function.lineno}: {function.name} has {length} lines"
    if BANNED_NAMES & set(Path(place_of(path)).with_suffix("").parts):
        yield "the name says nothing about what is in it"


def transaction_fault(path: Path, node: ast.AST) -> str:
    match node:
        case ast.Call(func=ast.Attribute(attr="commit" | "rollback" | "roll_back")):
            if not is_in(path, ENDS_TRANSACTIONS):
                return "only infra/db.py ends a transaction"
    return ""


def money_fault(path: Path, node: ast.AST) -> str:
    match node:
        case ast.Name(id="float") | ast.Constant(value=float()):
            if is_in(path, COUNTS_MONEY):
                return "no float near money: Money, Decimal, or int seconds for time"
    return ""


def clock_fault(path: Path, node: ast.AST) -> str:
    match node:
        case ast.Attribute(attr="now" | "utcnow" | "today", value=value):
            if last_name(value) in {"datetime", "date"} and not is_in(path, READS_THE_CLOCK):
                return "take a Clock"
    return ""


def environment_fault(path: Path, node: ast.AST) -> str:
    match node:
        case ast.Attribute(attr="environ" | "getenv", value=ast.Name(id="os")):
            if not is_in(path, READS_THE_ENVIRONMENT):
                return "settings are passed down; only infra/settings reads the environment"
    return ""


def http_fault(path: Path, node: ast.AST) -> str:
    match node:
        case ast.Import(names=[ast.alias(name=name), *_]) | ast.ImportFrom(module=str(name)):
            if name.split(".")[0] in {"httpcore", "httpx"} and not is_in(path, SPEAKS_HTTP):
                return "only infra/http.py makes HTTP clients"
    return ""


def comparison_fault(path: Path, node: ast.AST) -> str:
    match node:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
            sides = [left, right]
        # `x in (a, b)` compares with each of them; whether a name is in a set is no secret.
        case ast.Compare(
            left=left,
            ops=[ast.In() | ast.NotIn()],
            comparators=[ast.Tuple(elts=among) | ast.List(elts=among)],
        ):
            sides = [left, *among]
        case _:
            return ""
    constant = any(isinstance(side, ast.Constant) for side in sides)
    if not constant and any(is_secret(last_name(side)) for side in sides):
        return "compare secrets with hmac.compare_digest"
    return ""


def is_secret(name: str) -> bool:
    return name in SECRET_NAMES or any(word in name for word in SECRET_WORDS)


CHECKS = (
    transaction_fault,
    money_fault,
    clock_fault,
    environment_fault,
    http_fault,
    comparison_fault,
)


def faults(path: Path, text: str) -> list[str]:
    tree = ast.parse(text)
    found = list(size_faults(path, text, tree))
    if is_in(path, IMITATES):
        return found
    lines = text.splitlines()
    for node in ast.walk(tree):
        for check in CHECKS:
            fault = check(path, node)
            line = getattr(node, "lineno", 0)
            # The escape is a sentence beside the line: `# tidy: why this one is right`.
            if fault and "# tidy: " not in lines[line - 1]:
                found.append(f"line {line}: {fault}")
    return found


@pytest.mark.parametrize("path", FILES, ids=place_of)
def test_a_source_file_is_tidy(path: Path) -> None:
    """
    Size, transactions, money, clock, environment, HTTP and secrets follow the rules.
    """
    assert [] == faults(path, path.read_text())


@pytest.mark.parametrize(
    ("place", "line", "words"),
    [
        ("ledger/store.py", "await tx.commit()", "ends a transaction"),
        ("ledger/store.py", "await connection.rollback()", "ends a transaction"),
        ("ledger/domain.py", "rate: float = 1", "no float"),
        ("ledger/domain.py", "rate = 0.5", "no float"),
        ("withdrawals/service.py", "at = datetime.now(UTC)", "take a Clock"),
        ("withdrawals/service.py", "at = datetime.datetime.utcnow()", "take a Clock"),
        ("access/service.py", "key = os.environ['KEY']", "reads the environment"),
        ("access/service.py", "key = os.getenv('KEY')", "reads the environment"),
        ("providers/lipana/client.py", "import httpx", "HTTP clients"),
        ("providers/lipana/client.py", "from httpx import AsyncClient", "HTTP clients"),
        ("providers/lipana/client.py", "import httpcore", "HTTP clients"),
        ("providers/lipana/callbacks.py", "ok = given.signature == expected", "compare_digest"),
        ("access/keys.py", "ok = mac.hexdigest() != given", "compare_digest"),
        ("access/keys.py", "ok = otp == stored", "compare_digest"),
        ("access/keys.py", "ok = given in (request.signature, other)", "compare_digest"),
        ("access/keys.py", "ok = hmac.digest(key, text, 'sha256') == given", "compare_digest"),
        ("access/utils.py", "x = 1", "says nothing"),
        ("access/keys.py", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
        ("access/keys.py", "x = 1\n" * 401, "the file has 401 lines"),
    ],
)
def test_the_rules_see_what_they_are_for(place: str, line: str, words: str) -> None:
    """
    Each rule catches a planted fault.
    """
    [fault] = faults(SOURCE / place, line)

    assert words in fault


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("infra/db.py", "await tx.commit()"),
        ("kernel/clock.py", "return datetime.now(UTC)"),
        ("infra/scheduling/scheduler.py", "seconds: float = 0.5"),
        ("infra/http.py", "import httpx"),
        ("access/keys.py", "ok = hmac.compare_digest(a.signature, b)"),
        ("access/keys.py", "ok = settings.secret == ''"),
        (
            "access/keys.py",
            "ok = row.digest == digest  # tidy: both are public, stored side by side",
        ),
    ],
)
def test_the_rules_leave_the_rest_alone(place: str, line: str) -> None:
    """
    What they send everybody to, and lines that say why they are right.
    """
    assert [] == faults(SOURCE / place, line)
