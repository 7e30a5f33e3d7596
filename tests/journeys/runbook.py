"""Runbooks as something that runs: their commands in order, their words in capitals filled in."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support import forking
from tests.support.sentinel import numbers_in

PAGES: Final = Path(__file__).parents[2] / "docs" / "runbooks"
PARTS: Final = ["Symptom", "First look", "Decide", "Act", "Verify"]
_SECONDS_MAX: Final = 120
_APPROVAL: Final = re.compile(r"\bapr_[0-9a-hjkmnp-tv-z]{26}\b")

_WORD: Final = re.compile(r"(?<![$\w{])[A-Z][A-Z_]{3,}(?![\w=])")
_EXPORT: Final = re.compile(r'export (\w+)="\$(\w+)"')
_SHELL: Final = frozenset({"|", "||", "&&", ">", ">>"})
_DOCUMENTED: Final = "http://127.0.0.1:8000"

# These say by exit code 1 that there is something to look at; in trouble there is.
_MAY_FIND: Final = ("payops doctor", "payops reconcile crypto")


def pages() -> list[Path]:
    return sorted(path for path in PAGES.glob("*.md") if path.stem != "README")


def parts_of(page: Path) -> dict[str, str]:
    """The text of each part by its heading, in order."""
    pieces = re.split(r"^## (.+)\n", page.read_text(), flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def blocks_of(text: str) -> Iterator[str]:
    """The commands of each block that is meant to be typed."""
    yield from re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@dataclass
class Night:
    """Somebody with a page before them, a shell, and what they know filled in."""

    folder: Path
    environment: Mapping[str, str]
    known: dict[str, str]  # word in capitals -> what it stands for
    programs: Path  # of PostgreSQL
    address: str = ""  # of a process that serves
    run_as: Mapping[str, Any] = field(default_factory=dict)  # whom the shell belongs to
    done: list[str] = field(default_factory=list)

    def follows(self, page: Path, *parts: str) -> None:
        """Type every command of ``parts``, or of the whole page, from top to bottom."""
        for heading, text in parts_of(page).items():
            if not parts or heading in parts:
                for block in blocks_of(text):
                    self.types(block)

    def types(self, block: str) -> None:
        """Run one block line by line; a command that fails ends it, and the test."""
        exports: dict[str, str] = {}
        for line in block.strip().splitlines():
            self.done.append(line)
            if assigned := _EXPORT.fullmatch(line):
                exports[assigned[1]] = {**self.environment, **exports}[assigned[2]]
                continue
            done = self._run(self._filled(line), exports)
            allowed = {0, 1} if line.startswith(_MAY_FIND) else {0}
            assert done.returncode in allowed, f"{line}\n{done.stdout}{done.stderr}"
            assert [] == numbers_in(done.stdout + done.stderr)
            for approval in _APPROVAL.findall(done.stdout):
                self.known["APPROVAL"] = approval

    def _filled(self, line: str) -> str:
        return _WORD.sub(
            lambda word: self.known.get(word[0], word[0]),
            line.replace(_DOCUMENTED, self.address or _DOCUMENTED),
        )

    def _run(self, line: str, exports: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """As a person's shell would; where that adds nothing, in a process without a shell."""
        environment = {**self.environment, **exports}
        words = shlex.split(line)
        if words[0] == "payops" and not _SHELL & set(words):
            ran = forking.run(words[1:], environment, self.folder, within=_SECONDS_MAX)
            return subprocess.CompletedProcess(words, ran.code, ran.out, ran.err)
        path = (
            Path(sys.executable).parent,
            self.programs,
            self.environment.get("PATH", os.defpath),
        )
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.folder,
            env={**environment, "PATH": ":".join(map(str, path))},
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS_MAX,
            **self.run_as,
        )
