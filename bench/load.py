"""The load generator: a process of its own, keep-alive connections, prebuilt requests.

``python -m bench.load PLAN`` connects, prints ``ready``, waits for a line on standard input,
fires, and prints one JSON document. The loop is closed: a client sends its next request
when it has the answer to the one before. So the rate is what the service can do with that
many clients, and latencies are those at that rate.
"""

import asyncio
import json
import pickle
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, count, cycle, repeat
from pathlib import Path
from typing import Final, cast

import uvloop

from bench.figures import percentile

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_AFTER_DEADLINE_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Shot:
    """One request; where there is an ``after``, a fresh key stands between the two."""

    before: bytes
    after: bytes = b""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fire: one lane of shots a client, spread over ``ports`` in turn.

    With ``seconds`` clients go on until then, from the beginning of their lane again
    when it ``cycles``; with 0 they go once to its end.
    """

    ports: tuple[int, ...]
    lanes: tuple[tuple[Shot, ...], ...]
    status: int  # the only one that is right
    seconds: float = 0
    cycles: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class Fired:
    """What came of it; ``cpu_seconds`` is the generator's own."""

    answers: int  # in time
    all_answers: int  # with those that were under way at the end
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_seconds: float
    wrong: dict[str, int]

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


class Client(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, requests: Iterator[bytes]) -> None:
        self._requests = requests
        self._received = b""
        self._began = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._deadline = 0.0
        self.latencies: list[float] = []
        self.in_time = 0
        self.last = 0.0
        self.statuses: Counter[str] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        if not self._done.done():
            self._done.set_exception(ConnectionError("the service closed the connection"))

    def fire(self, deadline: float) -> asyncio.Future[None]:
        """Begin; done when the requests or the time have run out."""
        self._deadline = deadline
        self._next(time.perf_counter())
        return self._done

    def _next(self, now: float) -> None:
        request = next(self._requests, None) if now < self._deadline else None
        if request is None or self._transport is None:
            self._done.set_result(None)
            return
        self._began = now
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        head_end = received.find(_HEAD_END)
        if head_end >= 0:
            length = _LENGTH.search(received, 0, head_end)
            if length and len(received) >= head_end + len(_HEAD_END) + int(length[1]):
                self._received = b""
                self._answered(received[9:12])
                return
        self._received = received

    def _answered(self, status: bytes) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self._began)
        self.in_time += now <= self._deadline
        self.last = now
        self.statuses[status.decode()] += 1
        self._next(now)


async def fire(plan: Plan) -> Fired:
    loop = asyncio.get_running_loop()
    clients = [Client(_requests(plan, number, lane)) for number, lane in enumerate(plan.lanes)]
    for client, port in zip(clients, cycle(plan.ports), strict=False):
        await loop.create_connection(partial(_itself, client), "127.0.0.1", port)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    cpu_before = _cpu_seconds()
    began = time.perf_counter()
    deadline = began + plan.seconds if plan.seconds else float("inf")
    async with asyncio.timeout(plan.seconds + _AFTER_DEADLINE_SECONDS if plan.seconds else None):
        await asyncio.gather(*(client.fire(deadline) for client in clients))
    return _summed_up(plan, clients, began, _cpu_seconds() - cpu_before)


def _itself(client: Client) -> Client:
    return client


def _requests(plan: Plan, number: int, lane: tuple[Shot, ...]) -> Iterator[bytes]:
    turns = chain.from_iterable(repeat(lane)) if plan.cycles else iter(lane)
    for shot, turn in zip(turns, count(), strict=False):
        if shot.after:
            yield b"%b%b-%d-%d%b" % (shot.before, plan.key.encode(), number, turn, shot.after)
        else:
            yield shot.before


def _summed_up(plan: Plan, clients: list[Client], began: float, cpu_seconds: float) -> Fired:
    latencies = [latency for client in clients for latency in client.latencies]
    statuses = sum((client.statuses for client in clients), Counter[str]())
    return Fired(
        answers=sum(client.in_time for client in clients),
        all_answers=len(latencies),
        seconds=plan.seconds or max(client.last for client in clients) - began,
        p50_ms=1000 * percentile(latencies, 50),
        p99_ms=1000 * percentile(latencies, 99),
        cpu_seconds=cpu_seconds,
        wrong={status: n for status, n in statuses.items() if status != str(plan.status)},
    )


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    plan: Plan = pickle.loads(Path(sys.argv[1]).read_bytes())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(fire(plan)))))


if __name__ == "__main__":
    main()
