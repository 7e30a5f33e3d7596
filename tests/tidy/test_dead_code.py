"""What nobody uses is taken away, its tests too: who reads on should not wonder what it is for."""

from linecache import getline
from pathlib import Path

from vulture import Vulture

import payops

SOURCE = Path(payops.__file__).parent

# Called by frameworks, which find them by these.
REGISTERED = [
    *("@*.get", "@*.post", "@*.put", "@*.patch", "@*.delete"),
    *("@*.command", "@*.callback", "@model_validator", "@field_validator"),
]

# Used, though no line of ours says so; nothing else.
USED = {
    "access/api.py: scopes_of": "what tests list the routes with",
    "cli/checking.py: checklist": "a command, loaded by its name",
    "cli/configuring.py: docs": "a command, loaded by its name",
    "cli/examining.py: doctor": "a command, loaded by its name",
    "cli/main.py: format_commands": "typer asks for it",
    "cli/main.py: list_commands": "typer asks for it",
    "cli/serving.py: capture_signals": "uvicorn calls it",
    "dev/postgres/server.py: temporary": "the server that tests start",
    "infra/logging/__init__.py: handleError": "logging calls it",
    "infra/migrating.py: ScriptImpl": "Alembic finds it by being told of the class",
    "sandbox/serving.py: capture_signals": "uvicorn calls it",
    "sandbox/serving.py: main_loop": "uvicorn calls it",
}


def unused() -> set[str]:
    """What is defined in the code and named nowhere else in it.

    Fields of classes stay out: a request, a row or a reply is read as a whole. So do tables,
    which are the schema whether or not a query is put together from them.
    """
    found = Vulture(ignore_names=["model_config"], ignore_decorators=REGISTERED)
    found.scavenge([SOURCE])
    return {
        f"{Path(item.filename).relative_to(SOURCE).as_posix()}: {item.name}"
        for item in found.get_unused_code(min_confidence=60)
        if item.typ not in {"attribute", "variable"}
        or (
            item.typ == "variable"
            and Path(item.filename).name != "tables.py"
            and not getline(str(item.filename), item.first_lineno).startswith(" ")
        )
    }


def test_everything_is_used() -> None:
    """By the code itself, a test is no use; and what is listed as used is not named elsewhere."""
    assert set(USED) == unused()


def test_no_module_hides_behind_a_package() -> None:
    """``domain.py`` beside ``domain/`` is never imported, and looks as if it were."""
    hidden = [path for path in SOURCE.rglob("*.py") if path.with_suffix("").is_dir()]

    assert [] == hidden
