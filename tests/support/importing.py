"""Imports all that any command does, for the process whose forks run them.

What coverage saw of the imports is saved here, once: a fork would inherit it, and write it anew
at its end, which takes twenty times as long as a short command.
"""

import sys
from importlib import import_module

from payops.cli.main import COMMANDS, loaded

import_module("payops.app")
for name in COMMANDS:
    loaded(name)

if "coverage" in sys.modules and (measuring := sys.modules["coverage"].Coverage.current()):
    measuring.save()
