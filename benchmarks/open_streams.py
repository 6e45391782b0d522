"""What an open event stream costs in memory while it stays open (Linux).

A FastAPI app under uvicorn, once captured and once not, holds as many streams open as asked; each has sent
its events and waits. The growth of the server's resident memory is compared: per stream, what capture holds
in all, how much of that are the bytes kept of the stream, and the rest, whose goal is 12 KB at most.

    python benchmarks/open_streams.py [--streams 300] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

EVENT = b"data: tick %06d\n\n"
SIZE = len(EVENT % 0)
EVENTS = (1, 100, 1000)
KEPT = 20 * 1024  # the default limit and its margin
GOAL = 12 * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", choices=("bare", "captured"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(captured=options.serve == "captured")
        return
    print(f"{options.streams} open streams, bytes of resident memory for each, medians of {options.rounds}\n")
    print("| events sent | bare | captured adds | bytes kept | the rest |\n|---|---|---|---|---|")
    for events in EVENTS:
        grown = {
            kind: statistics.median(growth(kind, options.streams, events) for _ in range(options.rounds))
            for kind in ("bare", "captured")
        }
        added = grown["captured"] - grown["bare"]
        kept = min(events * SIZE, KEPT)
        rest = added - kept
        verdict = "" if rest <= GOAL else f" (**more than {GOAL}**)"
        print(f"| {events} | {grown['bare']:.0f} | {added:.0f} | {kept} | {rest:.0f}{verdict} |", flush=True)


def growth(kind: str, streams: int, events: int) -> float:
    """Bytes the server grows by for each open stream."""
    with tempfile.TemporaryDirectory() as scratch:
        server = subprocess.Popen(
            [sys.executable, Path(__file__).resolve(), "--serve", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=scratch,
        )
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            for each in [opened(port, events) for _ in range(5)]:  # what is made once is made now
                each.close()
            before = resident(server.pid)
            held = [opened(port, events) for _ in range(streams)]
            after = resident(server.pid)
            for each in held:
                each.close()
        finally:
            server.communicate()
    return (after - before) / streams


def opened(port: int, events: int) -> socket.socket:
    """A connection on which all events have come, and the response has not ended."""
    connection = socket.create_connection(("127.0.0.1", port), 60)
    connection.sendall(
        f"GET /events/{events} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n"
        "Authorization: Bearer abcdefghijklmnop\r\nUser-Agent: bench/1.0\r\n\r\n".encode()
    )
    last, seen = EVENT % (events - 1), b""
    while last not in seen:
        received = connection.recv(65536)
        assert received, "the server went away"
        seen = seen[-len(last) - 16 :] + received
    return connection


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def serve(*, captured: bool) -> None:
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    @app.get("/events/{events}")
    async def stream(events: int) -> StreamingResponse:
        async def produce() -> AsyncIterator[bytes]:
            for number in range(events):
                yield EVENT % number
            await asyncio.Event().wait()

        return StreamingResponse(produce(), media_type="text/event-stream")

    if captured:
        import spantap

        spantap.instrument_app(app)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", backlog=1024, timeout_graceful_shutdown=1))
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)

    async def until_told() -> None:
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        await asyncio.to_thread(sys.stdin.read)
        server.should_exit = True
        await serving

    asyncio.run(until_told())


if __name__ == "__main__":
    main()
