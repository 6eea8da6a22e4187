"""A process that works on the almanac: ``python -m durablenb.demo.worker FOLDER FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

from durablenb.demo.almanac import INSTANCE, almanac, open_hub
from durablenb.model.errors import InstanceNotFoundError


def main() -> None:
    """Start the almanac, or go on with it; whoever started the process says yes or no on its input."""
    folder, file = sys.argv[1:]
    with open_hub(Path(folder)) as hub:
        try:
            handle = hub.handle(INSTANCE)
        except InstanceNotFoundError:
            handle = hub.start(almanac, file, instance_id=INSTANCE)
        answer = sys.stdin.readline().strip()
        if answer:  # and not the end of the input: then nobody is there any more
            handle.raise_event("Approval", answer)
            handle.result()


if __name__ == "__main__":
    main()
