"""Orchestrators and activities that several rows are tried with."""

from collections import Counter
from datetime import timedelta


def chain(context):
    value = context.get_input()
    for name in ("a", "b", "c"):
        value = yield context.call_activity(name, value)
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))
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


def fail(handle):
    assert handle.wait(10).runtime_status == "Failed"
    return handle
