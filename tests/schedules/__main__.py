"""`python -m tests.schedules --seeds 1000`: plays scenarios under many schedules; says which break one."""

import argparse
import logging
import sys
import time

from tests.schedules.bench import failing, play, profile_of
from tests.schedules.scenarios import SCENARIOS
from tests.schedules.scheduler import Plan


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.schedules", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--seeds", type=int, default=1_000, metavar="N", help="how many of each (1000)")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="the first one (0)")
    parser.add_argument("--seed", type=int, metavar="S", help="only this one")
    asked = parser.parse_args()
    logging.disable()  # a defect that is planted is part of the play
    broken = 0
    for name in asked.scenarios or SCENARIOS:
        scenario, began = SCENARIOS[name], time.monotonic()
        if asked.seed is not None:
            play(scenario, Plan.of(asked.seed, profile_of(scenario)))
            continue
        found = list(failing(scenario, range(asked.start, asked.start + asked.seeds)))
        seconds = time.monotonic() - began
        for seed, error in found:
            print(f"{name}, seed {seed}: {error}")
        broken += len(found)
        print(f"{name}: {'broken' if found else f'{asked.seeds:,} schedules, none broken'} ({seconds:.1f} s)")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
