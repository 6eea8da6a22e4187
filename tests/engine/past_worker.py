"""A process that continues as new, keeps one past generation, and dies at one of its purges."""

import os

import durablenb as df
from durablenb.engine import retention
from durablenb.store.durable_log import DurableLog
from durablenb.store.entries import Purge

DEATH = 9


def register(hub):
    @hub.orchestrator
    def leaf(context):
        return 1

    @hub.orchestrator
    def rounds(context):
        yield context.call_sub_orchestrator(leaf)
        context.continue_as_new(context.get_input() + 1)


def main(say, path, is_before, purges):
    """Die before a purge is written, or after that and before the tables have it, when so many are done."""
    retention.SPACING = 0
    write = DurableLog.write

    def killed(log, entry):
        nonlocal purges
        purges -= isinstance(entry, Purge)
        if purges < 0 and is_before:
            os._exit(DEATH)
        if purges < 0:
            log.catch_up = lambda: os._exit(DEATH)
        write(log, entry)

    DurableLog.write = killed
    with df.TaskHub(path, mode="kernel", keep_generations=1) as hub:
        register(hub)
        hub.start("rounds", 0, instance_id="a")
        while hub.step():
            pass
