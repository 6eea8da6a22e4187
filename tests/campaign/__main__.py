"""`python -m tests.campaign --scale 0.1`: tries the long things, and prints a table of what came of them."""

from __future__ import annotations

import argparse
import logging
import sys

from tests.campaign.row import HEAD, line
from tests.campaign.rows import ROWS


def main(arguments: list[str] | None = None) -> int:
    """The command; 1 if something failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"which ones of: {', '.join(ROWS)}")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="how much of it (1.0)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="where chance begins (1)")
    asked = parser.parse_args(arguments)
    for name in asked.rows:
        if name not in ROWS:
            parser.error(f"there is no row {name!r}; there are: {', '.join(ROWS)}")
    print(HEAD, flush=True)
    broken: dict[str, list[str]] = {}
    for name in asked.rows or ROWS:
        logging.disable()  # what is refused, held and salvaged is part of the play
        figures = ROWS[name].at(asked.scale, asked.seed)
        logging.disable(logging.NOTSET)
        print(line(name, ROWS[name], figures, asked.seed), flush=True)
        if figures.failures:
            broken[name] = figures.failures
    for name, failures in broken.items():
        print(f"\n{name} (again: python -m tests.campaign {name} --scale {asked.scale} --seed {asked.seed}):")
        print(*(f"  {failure}" for failure in failures), sep="\n")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
