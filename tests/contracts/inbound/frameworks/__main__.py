"""``python -m contracts.inbound.frameworks``: plays, prints the table; status 1 if anything differs."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from contracts.inbound.frameworks.columns import AT_ONCE, COLUMNS, astray, played_on, together
from spantap.testing.matrix import Column, table, wanted
from spantap.testing.scene import Scene


def main() -> int:
    """Play, print, and say whether all is the same."""
    parser = argparse.ArgumentParser(prog="python -m contracts.inbound.frameworks")
    parser.add_argument(
        "column", nargs="*", help="framework@server, a framework or a server; all if left out"
    )
    parser.add_argument("--scene", action="append", help="only this one; may be repeated")
    options = parser.parse_args()
    played = [each for each in wanted() if not options.scene or each.name in options.scene]
    chosen = [
        (framework, server)
        for framework, server in COLUMNS
        if not options.column or {framework, server, f"{framework}@{server}"} & set(options.column)
    ]
    if not chosen:
        parser.error("no such column; there are " + ", ".join("@".join(each) for each in COLUMNS))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        plays = [pool.submit(played_on, framework, server, played) for framework, server in chosen]
        columns = [each.result() for each in plays]
    for (framework, server), each in zip(chosen, columns, strict=True):
        look_again(each, framework, server)
    shown = [scene for scene in played if any(each.cells[scene.name] != "-" for each in columns)]
    print(table(together(columns), shown))
    for framework, on in groupby(chosen, key=lambda each: each[0]):
        print(f"- {framework} on {', '.join(server for _, server in on)}")
    cells = [cell for each in columns for cell in each.cells.values() if cell != "-"]
    print(f"\n{len(cells)} plays, {cells.count('same')} the same.")
    for each in columns:
        for name, what in each.differences.items():
            print(f"{each.title} {name}: {what}", file=sys.stderr)
        for name, (kept, called) in each.records.items():
            print(f"{each.title} {name}: {kept} records of {called} requests", file=sys.stderr)
        for name, line in astray(each).items():
            print(f"{each.title} {name}: without spantap {line}", file=sys.stderr)
        if "spantap failed" in each.log:
            print(f"{each.title}: spantap logged a failure of its own", file=sys.stderr)
    return int(any(each.differences or each.records or "spantap failed" in each.log for each in columns))


def look_again(found: Column, framework: str, server: str) -> None:
    """Play what differed beside others once more, alone: a server's own races take no side.

    A client that leaves is told to the app of one run and not to that of the next, as on granian.
    """
    names = list(found.differences)
    if not names:
        return
    alone = played_on(framework, server, [Scene.all[name] for name in names])
    for name in names:
        if alone.cells[name] == "same":
            print(f"{found.title} {name}: differed once, beside others: {found.cells[name]}", file=sys.stderr)
            found.cells[name] = "same"


if __name__ == "__main__":
    sys.exit(main())
