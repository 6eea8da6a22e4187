"""A hub that a real kernel serves: the stop button leaves it, and the kernel's death loses nothing."""

from __future__ import annotations

import ast

import httpx

from durablenb.model.address import MANAGEMENT
from tests.kernels.conftest import SECONDS, Kernel

SETUP = """
from time import sleep
import durablenb as df

hub = df.TaskHub("hub.duckdb")

@hub.orchestrator
def approval(context):
    return {"approved": (yield context.wait_for_external_event("ApprovalEvent"))}

server = hub.serve(port=0, key="k")
server.url
"""


def asked(url: str, method: str, path: str, value: object = None) -> httpx.Response:
    headers = {"x-functions-key": "k"}
    return httpx.request(method, url + MANAGEMENT + path, headers=headers, json=value, timeout=SECONDS)


def test_the_stop_button_leaves_it_and_a_busy_cell_does_not_hold_it_up(kernel: Kernel) -> None:
    url = ast.literal_eval(kernel.run(SETUP))
    cell = kernel.begin_and_print('print("it runs", flush=True)\nwhile True: sleep(0.01)')
    assert asked(url, "POST", "/orchestrators/approval/a").status_code == 202
    kernel.interrupt()
    assert kernel.ended(cell).error.startswith("KeyboardInterrupt")
    assert asked(url, "POST", "/instances/a/raiseEvent/ApprovalEvent", True).status_code == 202
    assert kernel.run("hub.handle('a').result(20)") == "{'approved': True}"
    assert ast.literal_eval(kernel.run(SETUP)) == url


def test_what_was_started_over_http_goes_on_after_the_kernels_death(kernel: Kernel) -> None:
    url = ast.literal_eval(kernel.run(SETUP))
    assert asked(url, "POST", "/orchestrators/approval/a").status_code == 202
    assert asked(url, "POST", "/instances/a/raiseEvent/Other", 1).status_code == 202
    kernel.restart()
    url = ast.literal_eval(kernel.run(SETUP))
    assert asked(url, "GET", "/instances/a").status_code == 202
    assert asked(url, "POST", "/instances/a/raiseEvent/ApprovalEvent", 7).status_code == 202
    assert kernel.run("hub.handle('a').result(20)") == "{'approved': 7}"
