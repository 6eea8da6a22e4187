"""The activities of the corpora: some can run twice, some can't."""

import durablenb as df

ledger = []
"""The world that activities and broken orchestrators change: entries, and one dictionary of payments."""


def register(hub):
    """Register all functions of the shop."""

    @hub.activity
    def echo(value):
        return value

    @hub.activity
    def refuse():
        raise ValueError("no")

    @hub.activity
    def charge(amount):
        ledger.append(amount)
        return amount

    @hub.activity
    def ship(what):
        return f"{what} sent"

    @hub.activity
    def pay_by_key(amount):
        key = df.current_activity().key
        if key not in [entry[0] for entry in ledger if isinstance(entry, list)]:
            ledger.append([key, amount])
        return amount

    @hub.activity
    def pay_once(payment):
        key, amount = payment
        if [key, amount] not in ledger:
            ledger.append([key, amount])
        return amount

    @hub.activity
    def next_number():
        ledger.append("number")
        return len(ledger)

    @hub.activity
    def add_to_total(amount):
        total = ledger[0] if ledger else 0
        ledger[:] = [total + amount]

    @hub.activity
    def set_total(amount):
        ledger[:] = [amount]

    @hub.activity
    def push(what):
        if what not in ledger:
            ledger.append(what)

    @hub.activity
    def pop():
        return ledger.pop() if ledger else None

    @hub.entity
    def account(context):
        context.set_state(context.get_state(lambda: 0) + (context.get_input() or 0))
        context.set_result(context.get_state(lambda: 0))

    @hub.orchestrator
    def child(context):
        return (yield context.call_activity("echo", context.get_input()))

    @hub.orchestrator
    def charging_child(context):
        yield context.call_activity("charge", context.get_input())
