"""Accounts, and orchestrations that lock some of them, for the row about critical sections."""

import durablenb as df
from tests.traps.corpus import account

A, B, C = (df.EntityId("account", key) for key in "abc")


def furnished(lab):
    """An account, and orchestrations that lock some, and go on or fail when they are told."""
    lab.entity(account)

    @lab.orchestrator
    def holder(context):
        with (yield context.lock([df.EntityId("account", key) for key in context.get_input()])):
            context.set_custom_status("inside")
            told = yield context.wait_for_external_event("go")
            if told == "fail":
                raise ValueError("in a critical section")
            if told == "again":
                context.continue_as_new(context.get_input())
                return None
        context.set_custom_status("outside")
        return (yield context.wait_for_external_event("end"))

    @lab.orchestrator
    def asker(context):
        return (yield context.call_entity(df.EntityId("account", context.get_input()), "get"))

    @lab.orchestrator
    def transfer(context):
        source, target, amount = context.get_input()
        source, target = df.EntityId("account", source), df.EntityId("account", target)
        with (yield context.lock([source, target])):
            yield context.call_entity(source, "withdraw", amount)
            yield context.call_entity(target, "deposit", amount)

    return lab


def holding(lab, keys, **options):
    """An orchestration that has locked these, or waits for it."""
    handle = lab.start("holder", keys, **options)
    lab.settle()
    return handle


def where(handle):
    return handle.status().custom_status


def owners(lab):
    """The owners of locks, by key."""
    lab.settle()
    return {
        one.entity_id.key: one.locked_by for one in lab.client.list_entities() if one.locked_by is not None
    }


def is_free(lab, *keys):
    """Return True if these carry out a request at once."""
    handles = [lab.start("asker", key) for key in keys]
    lab.settle()
    return all(handle.status().runtime_status == "Completed" for handle in handles)
