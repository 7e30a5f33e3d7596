"""Sealed values are opened in one place, so that every opening is recorded."""

import ast
from collections.abc import Iterator
from pathlib import Path

import payops

SOURCE = Path(payops.__file__).parent
SEALING = "payops.pii.sealing"

# The service records what it opens; the composition root makes the sealer and hands it over.
MAY_HOLD_A_SEALER = ("payops.pii.service", "payops.bootstrap")


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(("payops", *path.relative_to(SOURCE).with_suffix("").parts))
        yield name.removesuffix(".__init__"), ast.parse(path.read_text())


def takes_a_sealer(node: ast.AST) -> bool:
    match node:
        case ast.ImportFrom(module="payops.pii.sealing", names=names):
            return any(alias.name in {"Sealer", "Keys", "*"} for alias in names)
        case ast.ImportFrom(module="payops.pii", names=names):
            return any(alias.name == "sealing" for alias in names)
        case ast.Import(names=names):
            return any(alias.name == SEALING for alias in names)
        case _:
            return False


def test_only_the_personal_data_service_can_open_a_seal() -> None:
    """No other module can even get at a sealer."""
    holders = [
        name for name, tree in modules() if any(takes_a_sealer(node) for node in ast.walk(tree))
    ]

    assert "payops.pii.service.opening" in holders
    assert [] == [name for name in holders if not name.startswith(MAY_HOLD_A_SEALER)]


def test_the_service_opens_seals_in_the_one_function_that_records_it() -> None:
    """One call, behind the quota, the insert and the evidence of it; bootstrap opens nothing."""
    opening = [
        (name, function.name, steps_of(function))
        for name, tree in modules()
        if name.startswith(MAY_HOLD_A_SEALER)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr == "open"
        and "sealer" in ast.unparse(node.value)
    ]

    assert opening == [
        (
            "payops.pii.service.opening",
            "_opened",
            ["self._keep_to_quota", "store.record", "self._journal", "self._sealer.open"],
        )
    ]


def steps_of(function: ast.AST) -> list[str]:
    """Which of the steps that matter a function takes, in order."""
    known = ("self._keep_to_quota", "store.record", "self._journal", "self._sealer.open")
    calls = sorted(
        ((node.lineno, node.col_offset), ast.unparse(node.func))
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
    )
    return [name for _, name in calls if name in known]


def test_only_sealing_knows_a_cipher() -> None:
    """No other module can decrypt by itself what it reads from a column."""
    users = [
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("cryptography.hazmat.primitives.ciphers")
    ]

    assert [SEALING] == users
