"""``python -m spantap.testing``: plays the scenes and prints the table; status 1 if anything differs."""

from __future__ import annotations

import argparse
import sys

from spantap.testing.matrix import SERVERS, column, table, wanted


def main() -> int:
    """Play, print, and say whether all is the same."""
    parser = argparse.ArgumentParser(prog="python -m spantap.testing")
    parser.add_argument("server", nargs="*", help="one of: " + ", ".join(SERVERS))
    parser.add_argument("--scene", action="append", help="only this one; may be repeated")
    parser.add_argument("--heavy", action="store_true", help="also those of 100 MB and 10 seconds")
    options = parser.parse_args()
    played = [each for each in wanted(heavy=options.heavy) if not options.scene or each.name in options.scene]
    columns = [column(server, played) for server in options.server or SERVERS]
    print(table(columns, played))
    for each in columns:
        for name, what in each.differences.items():
            print(f"{each.title} {name}: {what}", file=sys.stderr)
        for name, (kept, called) in each.records.items():
            print(f"{each.title} {name}: {kept} records of {called} requests", file=sys.stderr)
    return int(any(each.differences or each.records for each in columns))


if __name__ == "__main__":
    sys.exit(main())
