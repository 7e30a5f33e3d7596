"""Imports all that any command does, for the process whose forks run them."""

from importlib import import_module

from payops.cli.main import COMMANDS, loaded

import_module("payops.app")
for name in COMMANDS:
    loaded(name)
