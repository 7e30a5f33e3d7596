"""All commands, put together. Each is imported when it is called, so that help comes at once."""

import sys
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple

import typer
from typer.core import TyperGroup

from payops.cli import running


class Command(NamedTuple):
    """Where a command, or a group of them, is; ``what`` is its line in the list."""

    module: str
    name: str
    what: str


COMMANDS: Final = MappingProxyType(
    {
        "serve": Command("serving", "serve", "Run the API, the worker, or both"),
        "dev": Command("developing", "dev", "Serve everything on this machine, with demo data"),
        "demo": Command("demo", "demo", "Walk money out and in, narrated; check the books"),
        "sandbox": Command("imitating", "sandbox", "Run the imitation of the providers"),
        "migrate": Command("migrating", "migrate", "Bring the database to the newest revision"),
        "doctor": Command("examining", "doctor", "Find what is wrong with settings and database"),
        "checklist": Command("checking", "checklist", "Carry out an operations checklist"),
        "overview": Command("overviewing", "overview", "How things stand, for whoever was woken"),
        "find": Command("finding", "find", "Find a payment or a user by any name"),
        "why": Command("finding", "why", "The whole story of a withdrawal or a deposit"),
        "report": Command("reporting", "app", "What a day came to, as CSV, XLSX or JSON"),
        "withdrawals": Command("withdrawals", "app", "Find, retry, resolve and cancel withdrawals"),
        "crypto": Command("crypto", "app", "Figures of deposits; invoices found, resolved"),
        "fx": Command("rates", "app", "The shilling's rate to the dollar"),
        "approvals": Command("approvals", "app", "What waits for a second person"),
        "refunds": Command("approvals", "refunds", "Ask to give a payout back"),
        "switches": Command("switches", "app", "Halt and resume a flow or a provider"),
        "webhooks": Command("notifications", "app", "Look at and replay notifications"),
        "users": Command("users", "app", "Look into users, block and unblock them"),
        "velocity": Command("velocity", "app", "Velocity rules: report, backtest, change"),
        "reconcile": Command("reconciling", "app", "Ask the providers about what is not final"),
        "breaks": Command("breaks", "app", "Differences from the providers: take, explain"),
        "ledger": Command("ledger", "app", "Check the books, show balances"),
        "audit": Command("auditing", "app", "Read, check and export the audit log"),
        "alerts": Command("alerting", "app", "Look at alerts, take one on, try the channels"),
        "pii": Command("personal_data", "app", "Rotate keys, see who read what, shred"),
        "jobs": Command("jobs", "app", "Look at timed jobs and run them"),
        "keys": Command("keys", "app", "Make, list and revoke API keys"),
        "tokens": Command("tokens", "app", "Make users' tokens (not in production)"),
        "openapi": Command("imitating", "openapi", "Print the OpenAPI document"),
        "config": Command("configuring", "config", "List every setting"),
        "docs": Command("configuring", "docs", "Make the generated documents anew"),
    }
)

# Their arguments are read by somebody else.
_PASSED_ON: Final = frozenset({"sandbox"})
_PASS_ON: Final[dict[str, Any]] = {
    "ignore_unknown_options": True,
    "allow_extra_args": True,
    "help_option_names": [],
}


class Lazy(TyperGroup):
    """A group that knows its commands by name and loads the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is typer's
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - as above
        return loaded(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.what) for name, command in COMMANDS.items()])


def loaded(name: str) -> Any:
    """The command called ``name``, imported."""
    where = COMMANDS[name]
    found = getattr(import_module(f"payops.cli.{where.module}"), where.name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(name, context_settings=_PASS_ON if name in _PASSED_ON else None)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command


app = typer.Typer(
    name="payops",
    cls=Lazy,
    help="Moves the money of a wallet platform, exactly once, and can prove it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def everywhere(
    actor: Annotated[
        str | None,
        typer.Option(help="The person at the keyboard, for the audit log [default: the OS user]"),
    ] = None,
) -> None:
    running.act_as(actor)


def main() -> None:
    app(_actor_first(sys.argv[1:]), prog_name="payops")


def _actor_first(arguments: list[str]) -> list[str]:
    """``--actor`` counts wherever it stands; before the command is where it is declared."""
    for index, argument in enumerate(arguments):
        if argument == "--actor":
            taken = arguments[index : index + 2]
        elif argument.startswith("--actor="):
            taken = [argument]
        else:
            continue
        return [*taken, *arguments[:index], *arguments[index + len(taken) :]]
    return arguments
