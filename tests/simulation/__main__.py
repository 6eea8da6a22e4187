"""`python -m tests.simulation --seeds 10000`: runs seeds, and says which ones break a rule."""

import argparse
import contextlib
import logging
import sys
import time

from tests.simulation.campaign import campaign
from tests.simulation.mutants import MUTANTS
from tests.simulation.simulation import simulate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, metavar="N", help="how many (1000)")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="the first one (0)")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="how many processes (1)")
    parser.add_argument("--seed", type=int, metavar="S", help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every move")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="with this planted bug")
    asked = parser.parse_args()
    logging.disable()  # that instances are held is part of the play
    with MUTANTS[asked.mutant]() if asked.mutant else contextlib.nullcontext():
        if asked.seed is not None:
            return _one(asked.seed, is_traced=asked.trace)
        return _many(asked.start, asked.seeds, asked.processes)


def _one(seed: int, *, is_traced: bool) -> int:
    report = simulate(seed, is_traced=is_traced)
    for line in report.trace:
        print(line)
    if is_traced:
        print("trace hash", report.trace_hash)
    print(*report.violations or ["no violation"], sep="\n")
    return bool(report.violations)


def _many(start: int, count: int, processes: int) -> int:
    began = time.monotonic()
    failed = campaign(start, count, processes)
    for seed, violations in failed:
        print(f"seed {seed}: {violations[0][:600]}")
    seconds = time.monotonic() - began
    print(f"{count} seeds from {start}: {len(failed)} broke a rule ({seconds:.1f} s)")
    if failed:
        print(f"look at one: python -m tests.simulation --seed {failed[0][0]} --trace")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
