"""Live views in a page of their own, without a Jupyter: the module of a notebook, and a model for it."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator

from playwright.sync_api import Browser, Page

from durablenb.notebook.live.page_view import PageView
from durablenb.notebook.live.widget import LiveView

GROUNDS = {"light": "#ffffff", "dark": "#111111"}
"""The colour of the page around a view, by theme."""

_MODEL = """
import live from "data:text/javascript;base64,MODULE";
const listeners = {}, values = {}, encoder = new TextEncoder();
const emit = (name, ...told) => (listeners[name] ?? []).forEach((act) => act(...told));
const model = {
  get: (name) => values[name],
  set(name, value) {
    model.take({ state: { [name]: value } });
    window.heard.push({ method: "update", state: { [name]: value } });
  },
  save_changes() {},
  send: (content) => window.heard.push({ method: "custom", content }),
  on: (name, act) => (listeners[name] ??= []).push(act),
  off: (name, act) => (listeners[name] = (listeners[name] ?? []).filter((one) => one !== act)),
  take({ state = {}, html = {}, messages = [] }) {
    const news = { ...state };
    for (const [name, text] of Object.entries(html)) news[name] = encoder.encode(text);
    Object.assign(values, news);
    for (const name of Object.keys(news)) emit(`change:${name}`);
    for (const message of messages) emit("msg:custom", message);
  },
};
window.heard = [];
window.take = (news) => model.take(news);
window.show = (state) => {
  model.take(state);
  live.render({ model, el: document.querySelector("main") });
};
"""


class MountedView:
    """A live view in a page."""

    def __init__(self, page: Page, view: PageView) -> None:
        self.page = page
        self._view = view

    @property
    def view(self) -> LiveView:
        return self._view.view

    def settle(self, pauses: int = 12) -> None:
        """Lets the page and the view talk until neither has anything to say."""
        quiet = 0
        while quiet < 2 and pauses:
            pauses -= 1
            self.page.wait_for_timeout(100)
            said = self.page.evaluate("window.heard.splice(0)")
            for data in said:
                self._view.hear(data)
            news = self._view.news()
            if news:
                self.page.evaluate("news => window.take(news)", news)
            quiet = 0 if said or news else quiet + 1

    def choose(self, tab: str) -> None:
        """Shows a tab."""
        self.page.get_by_role("tab", name=tab, exact=False).first.click()
        self.settle()


@contextlib.contextmanager
def mounted(
    browser: Browser, make: Callable[..., LiveView], *, width: int = 1200, theme: str = "light"
) -> Iterator[MountedView]:
    """A page with the view that is made from the keyword arguments of a widget."""
    view = PageView(make, lambda: None)
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        viewport={"width": width, "height": 800},
    )
    try:
        page = context.new_page()
        page.set_content(document(GROUNDS[theme]))
        page.wait_for_function("() => window.show !== undefined")
        page.evaluate("state => window.show(state)", view.state())
        shown = MountedView(page, view)
        shown.settle()
        yield shown
    finally:
        context.close()
        view.close()


def document(ground: str) -> str:
    """The page that the view is put into."""
    module = base64.b64encode(LiveView._esm.encode()).decode()
    style = f"body {{ margin: 8px; background: {ground} }}{LiveView._css}"
    return (
        f'<!doctype html><html lang="en"><title>view</title><style>{style}</style><main></main>'
        f'<script type="module">{_MODEL.replace("MODULE", module)}</script>'
    )
