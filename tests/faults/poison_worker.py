"""One life of a process with an orchestrator that kills it; it says what it saw, unless it dies of it."""

import os

import durablenb as df
from durablenb.engine import state
from tests.engine.fanned import finish

DEATH = 13


def main(say, path, where, limit):
    state.POISON_LIMIT = limit

    def poison(context):
        if where == "at once":
            os._exit(DEATH)
        first = yield context.call_activity("work", 1)
        if where == "in replay" and context.is_replaying:
            os._exit(DEATH)
        yield context.wait_for_external_event("go on")
        if where == "beyond":
            os._exit(DEATH)
        return [first, (yield context.call_activity("work", 2))]

    def bystander(context):
        done = []
        for n in range(3):
            done.append((yield context.call_activity("work", n)))
            yield context.wait_for_external_event("go on")
        return done

    with df.TaskHub(path, mode="kernel") as hub:
        hub.add_activity(lambda n: n, "work")
        hub.add_orchestrator(bystander)
        hub.add_orchestrator(poison)
        if not hub.instances():
            hub.start("bystander", instance_id="by")
            hub.start("poison", instance_id="poison")
        else:
            hub.client.raise_event("poison", "go on")
            if hub.client.get_status("by").runtime_status == "Running":
                hub.client.raise_event("by", "go on")
        finish(hub)
        try:
            seen = hub.handle("poison").result()
        except df.DurableError as error:
            seen = f"{type(error).__name__}: {error}"
        say([seen, str(hub.client.get_status("by").runtime_status)])
