"""What can be configured, as a file to fill in and as a table to read; both from the settings."""

import types
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import typer
from pydantic import SecretStr

from payops.cli.running import CHECK_FAILED, USAGE
from payops.dev import secrets
from payops.infra.settings import PREFIX, names

_HEAD: Final = """\
# Every setting of payops. A line that is commented out shows the default; an empty value is unset.
# Nothing reads this file by itself: `set -a; . ./.env; set +a` in a shell, `EnvironmentFile=` in
# systemd, `env_file:` in Docker Compose. Made by `payops docs`; a test compares it with the code.
"""


def config(
    env_example: Annotated[
        bool, typer.Option("--env-example", help="As a file of variables instead of a table")
    ] = False,
) -> None:
    """List every setting with its default and its meaning, as Markdown."""
    typer.echo(env_text() if env_example else settings_table(), nl=env_example is False)


def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if one is out of date")
    ] = False,
) -> None:
    """Make the generated documents of a checkout anew."""
    from payops.cli.documents import stale

    root = Path.cwd()
    if not (root / "pyproject.toml").exists():
        typer.echo("run this at the top of a checkout", err=True)
        raise typer.Exit(USAGE)
    found = stale(root)
    for path, text in found.items():
        typer.echo(f"{path} is out of date" if check else f"{path} written")
        if not check:
            (root / path).write_text(text)
    raise typer.Exit(CHECK_FAILED if check and found else 0)


def env_text() -> str:
    """The text of ``.env.example``."""
    lines = [_HEAD]
    group = ""
    for name, field in names().items():
        begun, group = group, _group_of(name)
        if group != begun:
            lines.append("")
        lines.append(f"# {_meaning(field)}")
        default = _default(field)
        lines.append(f"{name}=" if default is None else f"# {name}={_quoted(default)}")
    return "\n".join(lines) + "\n"


def settings_table() -> str:
    """Every setting as a Markdown table."""
    rows = [
        f"| `{name}` | {_shown_default(name, field)} | {_meaning(field, code='`')} |"
        for name, field in names().items()
    ]
    return "\n".join(["| name | default | meaning |", "|---|---|---|", *rows])


def _group_of(name: str) -> str:
    group, separator, _ = name.removeprefix(PREFIX).partition("__")
    return group if separator else ""


def _shown_default(name: str, field: Any) -> str:
    default = _default(field)
    if default is None:
        return "made up in development" if name in secrets.made_up() else "-"
    return f"`{default}`" if default else "empty"


def _default(field: Any) -> str | None:
    """The default as it would be written in the environment; ``None`` when there is none."""
    match field.default:
        case None:
            return None
        case bool() as flag:
            return "true" if flag else "false"
        case StrEnum() as member:
            return member.value
        case tuple() as parts:
            return ",".join(map(str, parts))
        case other:
            return str(other)


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _meaning(field: Any, code: str = "") -> str:
    """The description, the values there are to choose from, and whether it is a secret."""
    notes = [", ".join(f"{code}{choice}{code}" for choice in _choices(field.annotation))]
    if SecretStr in _parts(field.annotation):
        notes.append("secret")
    description = (field.description or "").rstrip(".")
    if not code:
        description = description.replace("`", "")
    return "; ".join(part for part in (description, *notes) if part)


def _choices(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif isinstance(annotation, type) and issubclass(annotation, StrEnum):
        yield from (member.value for member in annotation)


def _parts(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)
