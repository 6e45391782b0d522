"""A captured app in a process of its own, told what to do line by line; run as a program.

    spooled_app.py

``requests N`` asks it so often, ``begin`` is what an ASGI server's start is, ``flush SECONDS`` and ``shutdown
SECONDS`` are the handle's; ``fork`` goes on in a child, with the parent waiting for it; ``limit N`` lets no
file grow beyond so many bytes. Each is answered with the counts of all destinations, as is ``stats``. At the
end of its input the process ends as any does.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import sys

import spantap
from asgi_client import call, responding, scope

BODY = b'{"word":"' + b"w" * 600 + b'","password":"hunter2-hunter2"}'


def main() -> None:
    handle = spantap.configure()
    app = spantap.instrument_app(responding(BODY))
    for line in sys.stdin:
        command, *rest = line.split()
        done: object = True
        if command == "requests":
            for number in range(int(*rest)):
                call(app, scope("GET", f"/{os.getpid()}/{number}"))
        elif command == "flush":
            done = handle.flush(float(*rest))
        elif command == "shutdown":
            done = handle.shutdown(float(*rest))
        elif command == "begin":
            handle.tap.processor.begin()
        elif command == "limit":
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(*rest), -1))
        elif command == "fork":
            child = os.fork()
            if child:
                os.waitpid(child, 0)
                os._exit(0)
        destinations = {name: dataclasses.asdict(each) for name, each in handle.stats().destinations.items()}
        print(json.dumps({"done": done, "pid": os.getpid(), "destinations": destinations}), flush=True)


if __name__ == "__main__":
    main()
