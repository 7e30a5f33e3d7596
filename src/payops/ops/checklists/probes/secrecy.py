"""Secrets: set, no placeholder, and nowhere in the code."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pydantic import BaseModel, SecretStr

import payops
from payops.infra.settings import Environment, Settings, names
from payops.ops.checklists.domain import Finding, attention, failed, passed
from payops.ops.checklists.parts import By, Parts
from payops.ops.readiness import unsafe

_LENGTH_MIN: Final = 8  # anything shorter is found everywhere, and is refused elsewhere
_SHOWN_MAX: Final = 5


async def secrets(parts: Parts, _: By) -> Finding:
    """Held against what production refuses, and looked for in every file of the package."""
    settings = parts.settings
    faults = list(unsafe(settings))
    held = dict(_secrets_in(settings))
    files, found = await asyncio.to_thread(_found_in_code, held)
    evidence = {"environment": settings.env.value, "lookedFor": sorted(held), "files": files}
    if found:
        return failed(f"in the code: {', '.join(found)}", **evidence, inCode=found)
    if not faults:
        return passed(f"{len(held)} secrets, none a default and none in {files} files", **evidence)
    detail = f"{'; '.join(faults[:_SHOWN_MAX])}{' and more' if len(faults) > _SHOWN_MAX else ''}"
    if settings.env is Environment.PRODUCTION:
        return failed(detail, **evidence, refused=faults)
    return attention(
        f"{settings.env}; production would refuse: {detail}", **evidence, refused=faults
    )


def _secrets_in(settings: Settings) -> Iterator[tuple[str, str]]:
    """Every secret that is set, by the name of its variable."""
    for name in names():
        value: object = settings
        for part in name.removeprefix("PAYOPS_").lower().split("__"):
            value = getattr(value, part) if isinstance(value, BaseModel) else None
        if isinstance(value, SecretStr) and len(value.get_secret_value()) >= _LENGTH_MIN:
            yield name, value.get_secret_value()


def _found_in_code(held: dict[str, str]) -> tuple[int, list[str]]:
    """How many files were read, and the names of the secrets that stand in one of them."""
    files, found = 0, set()
    for path in Path(payops.__file__).parent.rglob("*.py"):
        text = path.read_text()
        files += 1
        found |= {name for name, value in held.items() if value in text}
    return files, sorted(found)
