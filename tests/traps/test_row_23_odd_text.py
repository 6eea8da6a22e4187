"""Row 23: text of every kind, anywhere."""

import enum

import pytest

import durablenb as df
from tests.traps.corpus import quick

ODD_TEXTS = [
    "지속성 함수 🦆",
    "NUL \0 inside",
    "quotes ' \" ` and \\ backslash",
    "'); drop table journal; --",
    '{"json": [1, 2]}',
    "line\nbreak\r\n\ttab \x1b escape",
    "\ufeff bom, \u200b zero width, \u202e right to left",
    "half a surrogate \udc80",
    "100% $1 ${x} {x} %s",
    " ",
    "",
    "null",
]


def test_row_23_values_of_every_kind_of_text_come_back_as_they_are(disk):
    disk.activity(lambda value: value, "echo")

    def passes_on(context):
        text = context.get_input()
        context.set_custom_status({"status": text})
        echoed = yield context.call_activity("echo", {text: text})
        event = yield context.wait_for_external_event("more")
        return [echoed, event, text]

    for number, text in enumerate(ODD_TEXTS):
        disk.start(passes_on, text, instance_id=str(number), tags={text: text}, version=text)
    disk.settle()
    disk.restart()
    for number, text in enumerate(ODD_TEXTS):
        handle = disk.hub.handle(str(number))
        handle.raise_event("more", [text])
        assert handle.result() == [{text: text}, [text], text]
        status = handle.status(show_history=True)
        assert status.custom_status == {"status": text}
        assert (status.tags, status.version) == ({text: text}, text)
        again = handle.restart()
        again.terminate(text)
        assert again.status().output == text


IDS = [
    "it's",
    'say "hi"',
    "지속성 🦆",
    "a b",
    " ",
    "%41",
    "x'; drop table journal; --",
    "100%_",
    "(a) [b] {c} <d> & | ; $e ~f !g *",
    "x" * 256,
    "UPPER and upper",
    "é",
    "é",
]


def test_row_23_ids_of_every_allowed_kind_are_found_again(kernel):
    def waiting(context):
        kid = yield context.call_sub_orchestrator("kid", None, context.instance_id[:250] + "+kid")
        return [context.instance_id, kid, (yield context.wait_for_external_event("go"))]

    kernel.orchestrator(lambda context: context.parent_instance_id, "kid")
    for instance_id in IDS:
        handle = kernel.start(waiting, instance_id=instance_id)
        handle.suspend()
        handle.resume()
        handle.raise_event("go", 1)
        assert handle.result(10) == [instance_id, instance_id, 1]
        assert kernel.client.get_status_by(instance_id_prefix=instance_id)[0].instance_id == instance_id
        assert len(kernel.hub.handle(instance_id).history()) > 5
        assert handle.purge() == 2


def test_row_23_ids_are_compared_letter_by_letter(kernel):
    ids = ["a", "A", "a ", "é", "e\u0301"]
    for number, instance_id in enumerate(ids):
        kernel.run(quick, number, instance_id=instance_id)
    assert [kernel.client.get_status(one).output for one in ids] == [0, 1, 2, 3, 4]


def test_row_23_ids_that_break_azures_rules_are_refused_wherever_they_come_from(kernel):
    def parent(context):
        yield context.call_sub_orchestrator("quick", None, context.get_input())

    kernel.orchestrator(quick)
    for instance_id, text in (
        ("", "1 to 256 characters"),
        ("x" * 257, "1 to 256 characters; this one has 257"),
        ("@entity@key", "must not start with @"),
        ("a/b", "'/' in it"),
        ("a\\b", r"in it"),
        ("a#b", "'#' in it"),
        ("a?b", r"'\?' in it"),
        ("a\0b", r"in it"),
        ("a\nb", r"in it"),
        ("a\x7fb", r"in it"),
        ("a\udc80", r"in it"),
    ):
        with pytest.raises(ValueError, match=text):
            kernel.start("quick", instance_id=instance_id)
        if instance_id:
            with pytest.raises(ValueError, match=text):
                kernel.run(parent, instance_id)
    assert {status.name for status in kernel.hub.instances()} == {"parent"}


def test_row_23_names_of_every_kind_of_text_work(disk):
    names = [text for text in ODD_TEXTS if text.strip() and "\udc80" not in text]

    def asks(context):
        name = context.get_input()
        value = yield context.call_activity(name, 1)
        kid = yield context.call_sub_orchestrator("kid of " + name)
        return [value, kid, (yield context.wait_for_external_event(name))]

    for name in names:
        disk.activity(lambda value: value, name)
        disk.orchestrator(asks, name)
        disk.orchestrator(lambda context: 2, "kid of " + name)
        disk.start(name, name, instance_id=str(names.index(name)))
    disk.settle()
    disk.restart()
    for number, name in enumerate(names):
        handle = disk.hub.handle(str(number))
        handle.raise_event(name, 3)
        assert handle.result() == [1, 2, 3]
        assert handle.status().name == name


@pytest.mark.parametrize("how", ["activity", "retried activity", "child", "event", "raised", "started"])
def test_row_23_a_name_that_is_no_text_of_unicode_is_refused_and_the_hub_goes_on(lab, how):
    """Half a surrogate cannot be written down; it must not stop the hub when it is first tried."""
    bad = "half \udc80"

    def asks(context):
        if how == "activity":
            yield context.call_activity(bad)
        elif how == "retried activity":
            yield context.call_activity_with_retry(bad, df.RetryOptions(1, 2))
        elif how == "child":
            yield context.call_sub_orchestrator(bad)
        else:
            yield context.wait_for_external_event(bad if how == "event" else "go")

    handle = lab.start(asks)
    ask, *arguments = {"raised": (handle.raise_event, bad), "started": (lab.start, bad)}.get(
        how, (handle.result, 10)
    )
    with pytest.raises(ValueError, match="surrogate"):
        ask(*arguments)
    lab.orchestrator(lambda context: "well", "other")
    assert lab.run("other") == "well"


class Plain(str):
    """Text that is a little more than text."""

    def __str__(self):
        return "not what it is"


class Choice(enum.StrEnum):
    A = "choice-a"


class Member(str, enum.Enum):  # noqa: UP042 - the older kind, whose str() isn't its value
    B = "choice-b"


def test_row_23_subclasses_of_text_are_the_text_that_they_hold(disk):
    texts = [Plain("choice-plain"), Choice.A, Member.B]
    disk.activity(lambda value: value, "echo")
    disk.orchestrator(lambda context: [context.instance_id, context.version], "kid")
    for text in texts:
        held = str.__str__(text)

        def waiting(context, text=text, held=held):
            value = yield context.call_activity(text, text)
            kid = yield context.call_sub_orchestrator("kid", None, Plain(held + "-kid"), Plain("7"))
            return [value, kid, (yield context.wait_for_external_event(text))]

        disk.activity(lambda value: value, text)
        disk.orchestrator(waiting, text)
        handle = disk.start(text, instance_id=text, version=text, tags={text: text})
        handle.raise_event(text, text)
        assert handle.result() == [held, [held + "-kid", "7"], held]
    disk.restart()
    for held in map(str.__str__, texts):
        status = disk.client.get_status(held)
        assert (status.name, status.version, status.tags) == (held, held, {held: held})


def test_row_23_a_version_that_is_no_text_is_refused_and_the_hub_goes_on(lab):
    def asks(context):
        yield context.call_sub_orchestrator("kid", None, None, object())

    lab.orchestrator(lambda context: "well", "kid")
    with pytest.raises(TypeError, match="version"):
        lab.run(asks)
    with pytest.raises(TypeError, match="version"):
        lab.start("kid", version=5)
    assert lab.run("kid") == "well"


def test_row_23_what_is_no_text_is_refused_as_an_id_and_the_hub_goes_on(lab):
    lab.orchestrator(quick)
    client = lab.client
    for value in ([], {}, 5, b"id", object()):
        for method, *arguments in (
            (client.start_new, "quick", value),
            (client.raise_event, value, "go"),
            (client.terminate, value),
            (client.suspend, value),
            (client.resume, value),
            (client.rewind, value),
            (client.restart, value),
            (client.get_status, value),
            (client.wait_for_completion, value),
            (client.purge_instance_history, value),
            (lab.hub.handle, value),
        ):
            with pytest.raises(TypeError, match="An instance's id is text"):
                method(*arguments)
    assert lab.run(quick, "well") == "well"
