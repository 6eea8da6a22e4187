"""A hub in a process of its own, which tests kill: it starts a fan-out, or opens one again and ends it.

Usage: python -m tests.cluster.hub_process FILE ADDRESS FOLDER COUNT SECONDS [PRINT RESULT]
"""

import sys

import durablenb as df


def nap(given):
    import os
    import time
    from pathlib import Path

    folder, n, seconds = given
    with (Path(folder) / f"runs-{n}").open("a") as file:
        file.write(f"{os.getpid()}\n")
    print("begins", n)
    end = time.monotonic() + seconds
    while time.monotonic() < end and not (Path(folder) / "go on").exists():
        time.sleep(0.02)
    print("ends", n)
    return n


def fan(context):
    again = df.RetryOptions(10, 20)
    return (
        yield context.task_all(
            [context.call_activity_with_retry("nap", again, given) for given in context.get_input()]
        )
    )


def open_hub(path, address, **options):
    hub = df.TaskHub(path, executor=df.DaskExecutor(address, **options))
    hub.add_activity(nap)
    hub.add_orchestrator(fan)
    return hub


if __name__ == "__main__":
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules["__main__"])
    path, address, folder, count, seconds = sys.argv[1:6]
    with open_hub(path, address) as hub:
        handle = hub.start(
            "fan",
            [[folder, n, float(seconds)] for n in range(int(count))],
            instance_id="one",
            if_exists="attach",
        )
        print("started", flush=True)
        print(handle.result(timeout=100), flush=True)
