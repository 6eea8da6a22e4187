"""Everything else that a user holds: hubs, lists, statuses, failures, options, clocks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

import durablenb as df
from durablenb.model.display import Displayed
from durablenb.notebook import display
from tests.notebook.reading import SHARED, Page, bundle_of, page_of, scene, text_of
from tests.notebook.scenes import SCENES, Stage, stage


@pytest.fixture(scope="module")
def full() -> Stage:
    """A hub with an instance in some of the states."""
    made = stage()
    SHARED.append(made.hub)
    for name in ("completed", "failed", "waiting", "fanned"):
        SCENES[name](made)
    return made


# -- the hub -------------------------------------------------------------------------------------


def test_a_hub_shows_counts_by_orchestrator_and_status_and_the_latest_events(full: Stage) -> None:
    page = page_of(full.hub)
    assert page.picture().alt == "8 instances: 2 Failed, 1 Running, 5 Completed"
    assert page.picture().texts[:2] == ["chain", "4 Completed"]
    place = page.texts.index("chain")
    assert page.texts[place : place + 3] == ["chain", "4", "4 Completed"]
    first = page.texts.index("Latest events: 8 instances")
    assert page.texts[first + 6 : first + 9] == ["fan_out", "fan_out", "Completed"]


def test_the_text_of_a_hub_is_a_table_of_counts(full: Stage) -> None:
    assert text_of(full.hub) == (
        "<TaskHub in memory: 1 open instance, mode 'kernel'>\n"
        "orchestrator  status     instances\n"
        "────────────  ─────────  ─────────\n"
        "chain         Completed          4\n"
        "doomed        Failed             1\n"
        "family        Failed             1\n"
        "fan_out       Completed          1\n"
        "race          Running            1"
    )


def test_an_empty_hub_says_how_to_start() -> None:
    page = page_of(Stage().hub)
    assert "No instances yet. Start one:" in page.texts
    assert page.picture().alt == "0 instances"


# -- instances -----------------------------------------------------------------------------------


def test_instances_are_a_sequence_that_equals_a_list(full: Stage) -> None:
    found = full.hub.instances()
    listed = full.hub.client.get_status_all()
    assert found == listed
    assert listed == found
    assert found != listed[1:]
    assert found == full.hub.instances()
    assert found[0] == listed[0]
    assert found[1:3] == listed[1:3]
    assert [*reversed(found)] == listed[::-1]
    assert listed[2] in found
    assert len(found) == 8
    assert not full.hub.instances("Suspended")
    assert full.hub.instances("Suspended") == []
    assert (found == 3) is False


def test_instances_show_as_a_table(full: Stage) -> None:
    found = full.hub.instances("Failed")
    assert repr(found) == "<2 instances: 2 Failed>"
    page = page_of(found)
    assert page.picture().alt == "2 instances: 2 Failed"
    assert page.texts[(place := page.texts.index("family")) : place + 3] == ["family", "family", "Failed"]
    assert text_of(full.hub.instances(name="race")) == (
        "<1 instance: 1 Running>\n"
        "orchestrator  instance  status\n"
        "────────────  ────────  ───────\n"
        "race          race      Running"
    )
    assert text_of(full.hub.instances("Suspended")) == "<0 instances>"
    assert "none" in page_of(full.hub.instances("Suspended")).texts


def test_instances_become_a_data_frame(full: Stage) -> None:
    import pandas

    frame = pandas.DataFrame(full.hub.instances())
    assert frame.instance_id.tolist() == [status.instance_id for status in full.hub.instances()]


@pytest.mark.parametrize(
    ("name", "reason"), [("suspended", "for the night"), ("terminated", "no longer wanted")]
)
def test_an_instance_and_the_head_of_its_view_say_why_it_stands_still(name: str, reason: str) -> None:
    handle = scene(name)
    live = handle.watch(freeze=False)
    for page in (page_of(handle), Page(live.head.decode())):
        assert f"reason: {reason}" in page.text


# -- the rest ------------------------------------------------------------------------------------


def test_a_history_shows_its_timeline_and_its_events() -> None:
    history = scene("retried").history()
    page = page_of(history)
    assert page.picture().alt.startswith("retrying retrying: 1 call within ")
    assert page.texts.count("TaskScheduled flaky") == 3
    assert text_of(history).startswith(
        "<History of retrying: 18 events, the last one ExecutionCompleted>\n"
        "event  what\n"
        "─────  ─────────────────────────\n"
        "1      ExecutionStarted retrying\n"
    )


def test_a_slice_of_a_history_can_be_shown() -> None:
    history = scene("retried").history()
    for part in (history[3:], history[:3], history[5:9], history[:0]):
        assert "<table>" in bundle_of(part)["text/html"]


def test_a_status_shows_its_times_and_values() -> None:
    page = page_of(scene("fanned").status())
    assert page.pictures[0].alt == "Completed"
    assert {"created (UTC)", "2026-01-01 00:00:00.000", "output", "custom status"} <= set(page.texts)
    assert text_of(scene("fanned").status()) == "<fan_out fan_out: Completed>"


def test_a_status_of_no_instance_says_so() -> None:
    status = stage().hub.client.get_status("nobody")
    assert page_of(status).pictures[0].alt == "Not found"
    assert text_of(status) == "<no such instance>"


def test_a_failure_is_told_from_its_origin() -> None:
    failure = scene("failed").status().failure_details
    page = page_of(failure)
    assert page.pictures[0].alt == "Failed"
    assert page.texts.index("broken can't do 1") < page.texts.index("awaited at")
    lines = text_of(failure).splitlines()
    assert lines[-1] == "because of builtins.ValueError: broken can't do 1"
    assert not any("line" in line for line in lines)


def test_a_failure_says_that_it_is_not_retriable() -> None:
    failure = df.FailureDetails("shop.CardExpired", "card 7", is_non_retriable=True)
    assert ", not retriable" in page_of(failure).texts
    assert ", not retriable" not in page_of(replace(failure, is_non_retriable=False)).texts


def test_retry_options_show_the_waits() -> None:
    options = df.RetryOptions(1_000, 4, backoff_coefficient=2.0)
    page = page_of(options)
    assert page.picture().alt == "at most 4 attempts, after waits of 1 s, 2 s, 4 s"
    assert page.picture().texts == ["1", "1 s", "2", "2 s", "3", "4 s", "4"]
    assert text_of(options) == (
        "RetryOptions(first_retry_interval_in_milliseconds=1000, max_number_of_attempts=4, "
        "backoff_coefficient=2.0)"
    )


def test_retry_options_of_very_many_attempts_or_one_can_be_shown() -> None:
    assert "… 1,000,000" in page_of(df.RetryOptions(1, 1_000_000, 10.0)).picture().texts
    assert page_of(df.RetryOptions(1, 1)).picture().alt == "at most 1 attempt"


def test_retry_options_name_their_function_without_its_address() -> None:
    def handle(failure):
        return True

    text = text_of(df.RetryOptions(1, 2, handle=handle))
    assert text.endswith("handle=test_retry_options_name_their_function_without_its_address.<locals>.handle)")


def test_clocks_show_what_they_are() -> None:
    clock = df.VirtualClock()
    assert page_of(clock).pictures[0].alt == "Virtual clock"
    assert text_of(clock) == repr(clock)
    assert page_of(df.SystemClock()).pictures[0].alt == "System clock"
    assert text_of(df.SystemClock()) == "SystemClock()"


# -- how it is shown -----------------------------------------------------------------------------


def test_the_option_text_shows_text_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = scene("completed")
    monkeypatch.setattr(df.options, "display", "text")
    assert set(bundle_of(handle)) == {"text/plain"}
    assert repr(df.options) == "<options: display='text'>"
    df.options.display = "static"
    assert set(bundle_of(handle)) == {"text/plain", "text/html"}


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match=r"display is 'live'; expected one of 'static', 'text'\."):
        df.options.display = "live"  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        df.options.displai = "text"  # type: ignore[attr-defined]


def test_a_mistake_in_drawing_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = scene("completed")

    def broken(shown: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(display, "render_html", broken)
    assert set(bundle_of(handle)) == {"text/plain"}
    assert bundle_of(handle)["text/plain"].startswith("<chain chain: Completed>")
    monkeypatch.setattr(display, "render_text", broken)
    assert bundle_of(handle) == {"text/plain": "<chain chain: Completed>"}


def test_what_has_no_picture_shows_as_text() -> None:
    class Unknown(Displayed):
        def __repr__(self) -> str:
            return "<unknown>"

    assert bundle_of(Unknown()) == {"text/plain": "<unknown>"}


LOADS = """
import sys
import durablenb

def loaded(*names):
    return [name for name in sys.modules if name.startswith(names)]

analysis = [f"durablenb.analysis.{name}" for name in ("calls", "snapshot", "fleet")]
with durablenb.TaskHub(":memory:", mode="kernel") as hub:
    print(loaded("durablenb.notebook", "networkx", "IPython", "xml", *analysis))
    hub.add_orchestrator(lambda context: 1, "one")
    handle = hub.start("one")
    handle.wait()
    assert "text/html" in handle._repr_mimebundle_()
    print(loaded("networkx", "matplotlib", "IPython"))
"""


def test_importing_loads_no_views_and_showing_an_instance_loads_no_networkx() -> None:
    done = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"
