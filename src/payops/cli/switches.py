"""Switches: halt and resume a flow or a provider."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from payops.cli.running import Json, console, print_reply, with_services

if TYPE_CHECKING:
    from payops.switches.domain import Switch

app = typer.Typer(help="Switches", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="withdrawals, deposits, or a provider")]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit log")]


@app.command("list")
def list_switches(as_json: Json = False) -> None:
    """What is halted, by whom and why."""
    from payops.app import switch_desk_of
    from payops.ops.switches.api import SwitchesReply, SwitchReply

    found = with_services(lambda services: switch_desk_of(services).every())
    reply = SwitchesReply(data=[SwitchReply.of(switch) for switch in found])
    if as_json:
        print_reply(reply)
        return
    table = Table("name", "state", "since", "by", "reason")
    for switch in reply.data:
        table.add_row(
            switch.name,
            "HALTED" if switch.halted else "on",
            f"{switch.changed_at:%Y-%m-%d %H:%M}" if switch.changed_at else "",
            switch.changed_by or "",
            switch.reason or "",
        )
    console().print(table)


@app.command()
def halt(name: Name, reason: Reason, as_json: Json = False) -> None:
    """Take no new requests and send nothing; what is under way is followed to its end."""
    from payops.app import switch_desk_of
    from payops.cli.approvals import by

    _tell(
        with_services(lambda services: switch_desk_of(services).halt(name, reason=reason, by=by())),
        as_json=as_json,
    )


@app.command()
def resume(name: Name, reason: Reason, as_json: Json = False) -> None:
    """Ask to let it go on; when another person approves, what waited is worked off."""
    from payops.app import switch_desk_of
    from payops.approvals.domain import Approval
    from payops.cli.approvals import by, tell_pending

    found = with_services(
        lambda services: switch_desk_of(services).resume(name, reason=reason, by=by())
    )
    if isinstance(found, Approval):
        tell_pending(found, as_json=as_json)
    else:
        _tell(found, as_json=as_json)


def _tell(switch: "Switch", *, as_json: bool) -> None:
    from payops.ops.switches.api import SwitchReply

    if as_json:
        print_reply(SwitchReply.of(switch))
    else:
        typer.echo(f"{switch.name} is {'halted' if switch.is_halted else 'on'}")
