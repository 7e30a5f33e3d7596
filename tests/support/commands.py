"""Run ``payops`` as a person would: a process of its own, its output and its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from payops.dev import secrets
from tests.support import forking
from tests.support.sentinel import numbers_in

_SECONDS_MAX = 60


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Payops:
    """The command line with an environment and a folder of its own."""

    folder: Path
    environment: Mapping[str, str]

    @classmethod
    def on(cls, url: str, folder: Path, **more: str) -> "Payops":
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("PAYOPS_")}
        environment = {
            **inherited,
            **secrets.made_up(),
            "PAYOPS_ENV": "test",
            "PAYOPS_DATABASE_URL": url,
            "PAYOPS_LOG__LEVEL": "warning",
            **more,
        }
        return cls(folder, environment)

    def run(self, *arguments: str, without: tuple[str, ...] = (), **more: str) -> Ended:
        environ = {**{n: v for n, v in self.environment.items() if n not in without}, **more}
        ran = forking.run(arguments, environ, self.folder, within=_SECONDS_MAX)
        # Inside a line of the log it is a record; on a line of its own it was nobody's intention.
        assert "\nTraceback" not in f"\n{ran.err}", ran.err
        assert [] == numbers_in(ran.out + ran.err)
        return Ended(ran.code, ran.out, ran.err)

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[str]":
        """A process that goes on; the caller ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", "payops", *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
