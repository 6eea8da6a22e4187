"""What comes from data stays data: in HTML, in pictures, in the account of an error."""

from __future__ import annotations

import re

import pytest

import durablenb as df
from durablenb.model.failures import FailureDetails
from tests.notebook.reading import SVG, Page, bundle_of, page_of
from tests.notebook.scenes import Stage

TAGS = {
    *("div", "p", "b", "br", "code", "pre", "span", "img", "table", "thead", "tbody", "tr", "th", "td"),
    *("details", "summary", "picture", "source"),
}
ATTRIBUTES = {"class", "style", "alt", "src", "width", "align", "open", "media", "srcset"}
MARKS = {"svg", "title", "g", "rect", "path", "text", "circle"}
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
PAYLOADS = [shape.replace("{}", script) for shape in _SHAPES for script in _SCRIPTS][:172] + [
    shape.replace("{}", str(number)) for number, shape in enumerate(_SHAPES[:28])
]


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


def test_there_are_two_hundred_of_them() -> None:
    assert len(PAYLOADS) == 200
    assert len(set(PAYLOADS)) == 200


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


def plain(text: str) -> str:
    return "".join(character for character in text if "!" <= character <= "~")


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_names_ids_values_and_errors_are_shown_and_obeyed_by_nobody(start: int) -> None:
    for first in range(start, start + 20, 5):
        made = Stage()
        for text in PAYLOADS[first : first + 5]:
            handle = hostile(text, made)
            status = handle.status()
            shown = (handle, handle.history(), status, status.failure_details)
            htmls = [bundle_of(one)["text/html"] for one in shown]
            pages = [harmless(html) for html in htmls]
            assert len(htmls[0]) < 100_000
            assert plain(text)[:20] in plain(pages[0].text)
        for all_of_them in (made.hub, made.hub.instances()):
            harmless(bundle_of(all_of_them)["text/html"])


@pytest.mark.parametrize("start", range(0, 200, 40))
def test_entities_are_shown_and_obeyed_by_nobody(start: int) -> None:
    for first in range(start, start + 40, 20):
        made = Stage()
        for text in PAYLOADS[first : first + 20 : 4]:
            entity, handle = hostile_entity(text, made)
            page, _ = harmless_picture_of(entity), harmless_picture_of(handle)
            assert "1 failed" in repr(entity)
            assert plain(text)[:20] in plain(page.text)
        harmless_picture_of(made.hub)


def harmless_picture_of(shown: object) -> Page:
    bundle = bundle_of(shown)
    assert len(bundle["text/html"]) < 100_000
    assert "\x1b" not in bundle["text/plain"]
    page = harmless(bundle["text/html"])
    assert page.pictures
    return page


def test_an_account_obeys_no_escape_of_the_data() -> None:
    handle = hostile(PAYLOADS[_SHAPES.index("{}\x00\x01\x08\x0b\x1b[31m\x7f\x85") * len(_SCRIPTS)], Stage())
    with pytest.raises(df.TaskFailedError) as caught:
        handle.result()
    account = "\n".join(caught.value._render_traceback_())
    assert re.findall(r"\x1b(?!\[(?:0|1|2|34|1;31)m)", account) == []
    assert not any(character in account for character in "\x00\x08\x7f")


def test_options_and_failures_made_by_hand_are_data_too() -> None:
    for text in PAYLOADS:
        inner = FailureDetails(text, text, f'  File "{text}", line 3, in {text}\n    {text}\n')
        page = harmless(bundle_of(FailureDetails(text, text, text, inner))["text/html"])
        assert page.pictures[0].alt == "Failed"


def test_dollar_signs_stand_where_no_mathematics_is_looked_for() -> None:
    handle = hostile("$x^2$", Stage())
    page = page_of(handle)
    assert page.tags[0] == ("div", {"class": "tex2jax_ignore mathjax_ignore"})
    assert "$x^2$" in page.text
