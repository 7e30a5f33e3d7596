"""The documents that are made from the code, and whether those in a checkout are still right.

A whole file is made anew; in a text written by hand, what stands between the markers
``<!-- made: NAME -->`` and ``<!-- end -->`` is. A test holds them against the code.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Final

from payops import sandbox
from payops.cli.cataloguing import errors_page
from payops.cli.configuring import env_text, settings_table
from payops.cli.describing import openapi_document
from payops.deposits.domain import states as deposits
from payops.kernel.ids import new_id
from payops.kernel.money import KES, Money
from payops.ledger import entries
from payops.ledger.domain import Journal
from payops.withdrawals.domain import ECHOES, FINAL, TRANSITIONS, State

_PART = re.compile(r"(<!-- made: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def stale(root: Path) -> dict[str, str]:
    """The documents below ``root`` that the code has left behind, as they should be."""
    found = {}
    for path, text in _wanted(root):
        file = root / path
        if not file.exists() or file.read_text() != text:
            found[path] = text
    return found


def states_diagram() -> str:
    """The transitions of a withdrawal in Mermaid."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (before, event), after in TRANSITIONS.items():
        arrows.setdefault((before, after), []).append(event.value)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.PENDING}"]
    for (before, after), events in arrows.items():
        lines.append(f"    {before} --> {after}: {', '.join(events)}")
    lines += [f"    {state} --> [*]" for state in State if state in FINAL]
    return "\n".join([*lines, "```"])


def deposit_states_table() -> str:
    """What a provider's payment may become when it is read back."""
    rows = []
    for state, reached in deposits.TRANSITIONS.items():
        after = ", ".join(f"`{one}`" for one in deposits.State if one in reached)
        rows.append(f"| `{state}` | {after or 'nothing: it is the end'} |")
    return "\n".join(["| in state | may become |", "|---|---|", *rows])


def echoes_table() -> str:
    """What may be seen in a state without changing it."""
    rows = []
    ordered = [(s, e) for s in State for e in sorted(e for t, e in ECHOES if t is s)]
    for state, pairs in groupby(ordered, key=lambda pair: pair[0]):
        rows.append(f"| `{state}` | {', '.join(f'`{event}`' for _, event in pairs)} |")
    return "\n".join(["| in state | changes nothing |", "|---|---|", *rows])


def journals_shown() -> str:
    """Each journal of ``ledger/entries.py`` as a table of KES 1,500.00."""
    return "\n\n".join(_journal_shown(journal) for journal in _samples())


def _samples() -> Iterator[Journal]:
    amount, hold = Money.whole(1500, KES), new_id()
    yield entries.credit("amina", amount, reference="r", reason="winnings")
    yield entries.debit("amina", amount, reference="r", reason="stake")
    yield entries.withdrawal_held("amina", amount, reference="wd")
    yield entries.withdrawal_paid("amina", amount, reference="wd", hold=hold)
    yield entries.withdrawal_released("amina", amount, reference="wd", hold=hold)
    yield entries.withdrawal_refunded("amina", amount, reference="wd", paid=hold)
    yield entries.withdrawal_written_off("amina", amount, reference="wd", released=hold)
    arrival = {"provider": "nowpayments", "reference": "5077125051"}
    yield entries.deposit_credited("amina", amount, **arrival)
    yield entries.deposit_fee("amina", amount, **arrival)
    yield entries.deposit_taken_back("amina", amount, **arrival, credit=hold)
    yield entries.deposit_loss_borne("amina", amount, **arrival, taken=hold)
    yield entries.deposit_loss_recovered("amina", amount, **arrival, taken=hold)


def _journal_shown(journal: Journal) -> str:
    make = getattr(entries, journal.kind)
    says = " ".join((make.__doc__ or "").split())
    rows = []
    for line in journal.postings:
        size = Money(abs(line.amount.minor), line.amount.currency).text
        gives, gains = (size, "") if line.amount.minor < 0 else ("", size)
        rows.append(f"| `{line.account}` | {gives} | {gains} |")
    table = "\n".join(["| account | gives | gains |", "|---|---:|---:|", *rows])
    return f"### {journal.kind}\n\n{says}\n\n{table}"


# Whole files, made for the checkout that is given.
FILES: Final[Mapping[str, Callable[[Path], str]]] = MappingProxyType(
    {
        ".env.example": lambda _: env_text(),
        "docs/openapi.json": lambda _: json.dumps(openapi_document(), indent=2) + "\n",
        "src/payops/infra/web/static/errors.html": lambda root: errors_page(
            root / "docs" / "errors.md"
        ),
    }
)

_PARTS: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "settings": settings_table,
        "states": states_diagram,
        "echoes": echoes_table,
        "deposit-states": deposit_states_table,
        "journals": journals_shown,
        "sandbox-numbers": sandbox.table,
        "sandbox-nowpayments": sandbox.nowpayments_table,
        "sandbox-btcpay": sandbox.btcpay_table,
    }
)

WITH_PARTS: Final = (
    *("README.md", "docs/configuration.md", "docs/money.md", "docs/sandbox.md", "docs/states.md"),
)


def _wanted(root: Path) -> Iterator[tuple[str, str]]:
    for path, make in FILES.items():
        yield path, make(root)
    for path in WITH_PARTS:
        text = (root / path).read_text()
        yield path, _PART.sub(lambda part: f"{part[1]}\n{_PARTS[part[2]]()}\n\n{part[3]}", text)
