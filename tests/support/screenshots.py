"""``python -m tests.support.screenshots``: the pictures of docs/console.md.

A night's work in a database of its own, looked at in the machine's Chromium.
"""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import ViewportSize

from payops.access.domain import Scope
from tests.support import postgres, screen
from tests.support.night import Night
from tests.support.screen import Place
from tests.support.sql import execute

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
BYTES_MAX: Final = 150_000


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    path: str
    scheme: Literal["light", "dark"]
    size: ViewportSize


def pictures(night: Night) -> list[Picture]:
    return [
        Picture("overview", "/ops", "light", screen.DESK),
        Picture("withdrawal", f"/ops/withdrawals/{night.completed}", "dark", screen.DESK),
        Picture("queue", "/ops/queue", "light", screen.PHONE),
    ]


async def take(url: str) -> None:
    async with screen.place(url) as place:
        await _long_ago(place)
        for picture in pictures(place.night):
            await _take(place, picture)


async def _long_ago(place: Place) -> None:
    """A queue in which everything is a second old looks like no night at all."""
    await execute(
        place.night.api.services.db,
        "UPDATE withdrawals SET first_sent_at = first_sent_at - interval '134 minutes'"
        " WHERE state IN ('unresolved', 'review')",
    )


async def _take(place: Place, picture: Picture) -> None:
    async with place.person(
        "jane", frozenset(Scope), viewport=picture.size, color_scheme=picture.scheme
    ) as jane:
        await jane.goes(picture.path)
        image = await jane.page.screenshot()
    assert len(image) <= BYTES_MAX, f"{picture.name} is larger than a page of text needs"
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / f"console-{picture.name}.png").write_bytes(image)


if __name__ == "__main__":
    if not screen.CHROMIUM:
        sys.exit("There is no Chromium on the PATH; .ci/browser installs one on Debian")
    with postgres.running() as server:
        asyncio.run(take(server.url_of(server.create())))
