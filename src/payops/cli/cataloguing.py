"""The error catalogue as a page, so that ``type`` of a problem leads somewhere."""

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final

_CODE: Final = re.compile(r"`([^`]+)`")
_STRESS: Final = re.compile(r"\*([^*]+)\*")

_PAGE: Final = """\
<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <title>payops: errors</title>
    <link rel="stylesheet" href="/docs/assets/page.css">
  </head>
  <body>
{body}
  </body>
</html>
"""


def errors_page(catalogue: Path) -> str:
    """``docs/errors.md`` as HTML: the little Markdown it uses, each code an anchor."""
    return _PAGE.format(body="\n".join(_blocks(catalogue.read_text())))


def _blocks(text: str) -> Iterator[str]:
    for is_code, part in _parts(text):
        if is_code:
            yield f"<pre>{escape(part.partition(chr(10))[2].rstrip())}</pre>"
        else:
            yield from map(_block, re.split(r"\n{2,}", part.strip()))


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """Text and fenced code in turn, text first."""
    for index, part in enumerate(text.split("```")):
        if part.strip():
            yield index % 2 == 1, part


def _block(block: str) -> str:
    marks, _, heading = block.partition(" ")
    if marks == "###":
        return f'<h3 id="{heading}"><a href="#{heading}">{heading}</a></h3>'
    if marks and not marks.strip("#"):
        return f"<h{len(marks)}>{_inline(heading)}</h{len(marks)}>"
    if block.startswith("- "):
        return "\n".join(["<ul>", *_items(block), "</ul>"])
    return f"<p>{_inline(block)}</p>"


def _items(block: str) -> Iterator[str]:
    """List items, each of which may go on in the lines below it."""
    number = 0

    def item_of(line: str) -> int:
        nonlocal number
        number += line.startswith("- ")
        return number

    for _, lines in groupby(block.splitlines(), key=item_of):
        yield f"<li>{_inline(' '.join(lines).removeprefix('- '))}</li>"


def _inline(text: str) -> str:
    shown = escape(" ".join(text.split()), quote=False)
    return _STRESS.sub(r"<em>\1</em>", _CODE.sub(r"<code>\1</code>", shown))
