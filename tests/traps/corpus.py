"""Orchestrators and activities that several rows are tried with."""

from collections import Counter
from datetime import timedelta


def waits(context):
    return (yield context.wait_for_external_event("go"))


def quick(context):
    return context.get_input()


def fails(context):
    raise ValueError("broken")


def after(context, **duration):
    """A timer that fires so much later than now."""
    return context.create_timer(context.current_utc_datetime + timedelta(**duration))


def chain(context):
    value = context.get_input()
    for name in ("a", "b", "c"):
        value = yield context.call_activity(name, value)
    yield after(context, hours=1)
    return (yield context.call_sub_orchestrator("child", value))


def child(context):
    return (yield context.call_activity("a", context.get_input()))


def prepare(lab, calls):
    for name in "abc":
        lab.activity(lambda value, name=name: calls.append(name) or value + name, name)
    lab.orchestrator(chain)
    lab.orchestrator(child)


class Switch:
    """Activities that fail until they are mended; counts what was done."""

    def __init__(self, lab):
        self.lab = lab
        self.broken: set[str] = set()
        self.calls: Counter[str] = Counter()
        lab.activity(self, "do")

    def __call__(self, what):
        self.calls[what] += 1
        if what in self.broken:
            raise ValueError(f"{what} is broken")
        return what.upper()

    def failed(self, broken, *start, **options):
        """An instance that failed while these were broken, which they no longer are."""
        self.broken = set(broken)
        handle = fail(self.lab.start(*start, **options))
        self.broken = set()
        return handle

    def rewound(self, broken, *start, **options):
        """An instance that failed while these were broken, and is rewound now that they are mended."""
        handle = self.failed(broken, *start, **options)
        handle.rewind("mended")
        return handle


def fail(handle):
    assert handle.wait(10).runtime_status == "Failed"
    return handle


def counter(context):
    """An entity: counts, and does what it is asked to do besides."""
    operation, given = context.operation_name, context.get_input()
    if operation == "add":
        context.set_state(context.get_state(lambda: 0) + given)
    elif operation == "set":
        context.set_state(given)
    elif operation == "del":
        context.destruct_on_exit()
        return None
    elif operation == "fail":
        raise ValueError(given)
    return context.get_state()


def journal(context):
    """An entity: keeps all that it was told, in order."""
    told = context.get_state(list)
    if context.operation_name == "tell":
        context.set_state(told := [*told, context.get_input()])
    return told


def account(context):
    """An entity: money, which is never less than nothing."""
    balance = context.get_state(lambda: 100)
    if context.operation_name in ("deposit", "withdraw"):
        given = context.get_input()
        balance += given if context.operation_name == "deposit" else -given
        if balance < 0:
            raise ValueError("not enough")
        context.set_state(balance)
    return balance


def asked(lab, entity, *operations):
    """Return the results of these operations, called one after the other; failures as text."""

    @lab.orchestrator
    def asks(context):
        results = []
        for name, *given in operations:
            try:
                results.append((yield context.call_entity(entity, name, *given)))
            except Exception as error:
                results.append(f"{type(error).__name__}: {error.details.message}")
        return results

    return lab.run(asks)
