"""Webhook deliveries at 32 in flight against one at a time, to a receiver that takes 20 ms. Target: 25 times.

    python tests/bench/deliveries.py

The receiver is a process of its own on loopback. Each round sends 32 requests one by one and 640 at once.
"""

import asyncio
import multiprocessing
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core" / "python"))

from fluvial.outbound import post

RECEIVER_SECONDS = 0.02
IN_FLIGHT = 32
ROUNDS = 3
BODY = b'{"type": "dataset.created", "data": {"id": "data_0000000003v"}}'


def receive(port: Connection) -> None:
    """Answers every request after 20 ms, until the process is ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(BODY))
        await asyncio.sleep(RECEIVER_SECONDS)
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=256)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def per_second(url: str, requests: int, in_flight: int) -> float:
    def deliver(_: int) -> int | None:
        return post(url, BODY, {"content-type": "application/json"}, allow_private=True).status

    with ThreadPoolExecutor(in_flight) as pool:
        started = time.perf_counter()
        statuses = set(pool.map(deliver, range(requests)))
        seconds = time.perf_counter() - started
    if statuses != {204}:
        raise SystemExit(f"the receiver answers 204, but what came was {statuses}")
    return requests / seconds


def main() -> None:
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,), daemon=True)
    receiver.start()
    try:
        url = f"http://127.0.0.1:{ours.recv()}/hook"
        per_second(url, IN_FLIGHT, IN_FLIGHT)  # imports and the like are not deliveries
        ratios = []
        for _ in range(ROUNDS):
            single = per_second(url, IN_FLIGHT, 1)
            many = per_second(url, 20 * IN_FLIGHT, IN_FLIGHT)
            ratios.append(many / single)
            print(f"one at a time {single:6.0f}/s   {IN_FLIGHT} in flight {many:6.0f}/s   {ratios[-1]:.1f} x")
    finally:
        receiver.terminate()
        receiver.join()
    print(f"deliveries, {IN_FLIGHT} in flight / one at a time: {statistics.median(ratios):.1f} (target 25)")


if __name__ == "__main__":
    main()
