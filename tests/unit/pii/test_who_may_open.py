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
            return any(alias.name in {"Sealer", "*"} for alias in names)
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

    assert "payops.pii.service" in holders
    assert [] == [name for name in holders if not name.startswith(MAY_HOLD_A_SEALER)]


def test_the_service_opens_seals_in_the_functions_that_record_it() -> None:
    """Two calls, each behind the insert of its own function; the composition root opens nothing."""
    opening = [
        (name, function.name, "store.record(" in ast.unparse(function))
        for name, tree in modules()
        if name.startswith(MAY_HOLD_A_SEALER)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and node.attr == "open"
        and "sealer" in ast.unparse(node.value)
    ]

    service = "payops.pii.service"
    assert sorted(opening) == [(service, "open_values", True), (service, "try_phones", True)]
