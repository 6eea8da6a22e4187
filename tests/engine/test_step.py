"""One unit of work at a time, in mode "kernel"."""

import durablenb as df
from durablenb.engine.committer import Committer
from durablenb.engine.messages import Wake


def test_what_a_step_did_is_on_disk_when_it_returns():
    with df.TaskHub(":memory:", mode="kernel", clock=df.VirtualClock()) as hub:

        @hub.orchestrator
        def counting(context):
            for number in range(20):
                context.set_custom_status(number)
                yield context.wait_for_external_event("Next")

        handle = hub.start(counting)
        for number in range(20):
            assert hub.step().startswith("episode")
            assert handle.status().custom_status == number
            handle.raise_event("Next")


def test_a_hub_is_not_idle_when_a_message_came_with_the_last_commit(monkeypatch):
    with df.TaskHub(":memory:", mode="kernel") as hub:
        engine = hub._engine
        while not engine.is_idle:
            engine.rest(0.01)

        def commits_now(committer):
            engine.post(Wake())
            return True

        monkeypatch.setattr(Committer, "is_idle", property(commits_now))
        assert not engine.is_idle
        monkeypatch.undo()
