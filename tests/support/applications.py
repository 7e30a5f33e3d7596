"""The application of a test's own, made in half the time when coverage is measured."""

import sys
from typing import Final

from fastapi import FastAPI

from payops.app import create_app
from payops.bootstrap import Services
from payops.infra.settings import Role

_measured: Final[set[Role]] = set()


def application(services: Services) -> FastAPI:
    """Coverage sees how the first of each role is made; the thousand after it would add nothing."""
    role = services.settings.role
    measuring = sys.modules["coverage"].Coverage.current() if "coverage" in sys.modules else None
    if measuring is None or role not in _measured:
        _measured.add(role)
        return create_app(services)
    measuring.stop()
    try:
        return create_app(services)
    finally:
        measuring.start()
