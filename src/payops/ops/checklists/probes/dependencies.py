"""Known vulnerabilities of what is installed, asked of the outside world.

Offline, pip-audit may find nothing and say that all is well. So it is first shown a release
that is known to be vulnerable: only where it sees that, its silence means something.
"""

import asyncio
import importlib.util
import json
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from payops.ops.checklists.domain import Finding, attention, failed, passed
from payops.ops.checklists.parts import By, Parts

_WITHIN: Final = timedelta(seconds=90)  # for each of the two questions
_CANARY: Final = "jinja2==2.4.1"
_SHOWN_MAX: Final = 5


async def dependency_audit(_: Parts, __: By) -> Finding:
    if importlib.util.find_spec("pip_audit") is None:
        return attention("pip-audit is not installed here: look at what CI's audit says")
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "requirements.txt"
        await asyncio.to_thread(canary.write_text, f"{_CANARY}\n")
        seen = await _vulnerable("-r", str(canary), "--no-deps", "--disable-pip")
    if not seen:
        return attention("the vulnerability service cannot be asked: look at what CI's audit says")
    found = await _vulnerable("--local", "--skip-editable")
    if found is None:
        return attention("pip-audit gave no answer: look at what CI's audit says")
    if found:
        return failed(f"vulnerable: {', '.join(found[:_SHOWN_MAX])}", vulnerable=found)
    return passed("nothing that is installed has a known vulnerability", canary=seen)


async def _vulnerable(*arguments: str) -> list[str] | None:
    """``name version (id, …)`` of what is vulnerable; ``None`` when there was no answer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_WITHIN.total_seconds()):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return _read(out)


def _read(out: bytes) -> list[str] | None:
    try:
        document: Any = json.loads(out)
        return [
            f"{one['name']} {one['version']} ({', '.join(v['id'] for v in one['vulns'])})"
            for one in document["dependencies"]
            if one.get("vulns")
        ]
    except (ValueError, KeyError, TypeError):
        return None
