"""Three orchestrators: one that ends at once, one that waits, one that fails."""


def quick(context):
    return context.get_input()


def waits(context):
    return (yield context.wait_for_external_event("go"))


def fails(context):
    raise ValueError("broken")
