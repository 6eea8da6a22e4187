"""The tab with the conversation of an agent, in a browser; approvals are clicked."""

from functools import partial

from playwright.sync_api import Browser, expect

import durablenb as df
from durablenb.notebook.live.instance import LiveInstance
from tests.browser.mounted import mounted
from tests.browser.test_accessibility import faults

CALL = {"part_kind": "tool-call", "tool_name": "book", "args": {"to": "Rome"}, "tool_call_id": "x"}


def travel(context):
    yield context.wait_for_external_event("Go")
    prompt = {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "a trip"}]}
    yield context.call_activity("travel.model", {"messages": [prompt]})
    return (yield context.wait_for_external_event("approval.x"))


def test_the_tab_comes_with_the_first_request_and_an_approval_is_a_click(browser: Browser) -> None:
    with df.TaskHub(":memory:", mode="kernel") as hub:
        hub.add_activity(lambda _: {"parts": [CALL]}, "travel.model")
        handle = hub.start(hub.orchestrator(travel))
        while hub.step():
            pass
        with mounted(browser, partial(LiveInstance, handle, freeze=False), width=480) as shown:
            tab = shown.page.get_by_role("tab", name="Conversation")
            expect(tab).to_be_hidden()
            shown.page.get_by_role("tab", name="Code").focus()
            shown.page.keyboard.press("ArrowRight")
            expect(shown.page.get_by_role("tab", name="Outputs")).to_be_focused()
            handle.raise_event("Go")
            while hub.step():
                pass
            shown.settle()
            shown.choose("Conversation")
            pane = shown.page.get_by_role("group", name="conversation")
            expect(pane).to_contain_text("a trip")
            expect(pane).to_contain_text('book(to="Rome") waits for approval')
            args = shown.page.get_by_label("arguments (JSON)")
            approve = shown.page.get_by_role("button", name="Approve")
            args.fill('{"to": Oslo}')
            approve.click()
            shown.settle()
            expect(shown.page.locator("label [role=alert]")).to_contain_text("isn't JSON")
            expect(args).to_have_value('{"to": Oslo}')
            assert [*faults(shown.page, "[data-region=waits]")] == []
            args.fill('{"to": "Oslo"}')
            approve.click()
            shown.settle()
            while hub.step():
                pass
            shown.settle()
            assert handle.result() == {"approve": True, "args": {"to": "Oslo"}}
            expect(pane).to_contain_text("approved")
