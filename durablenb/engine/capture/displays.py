"""Patches of IPython's display functions that keep what user code displays.

With an IPython shell, everything displayed goes through a publisher, whose class is patched. Without one,
as in the processes of activities, IPython would print the objects: there they are formatted here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from durablenb.core.ports.output import Output, OutputOwner, current_owner
from durablenb.engine.capture.output import capturing_for
from durablenb.engine.capture.patches import Undo, replace_attribute, replace_code
from durablenb.model.outputs import WIDGET

_BAR = 20
"""The width of a progress bar, in characters."""

_makers: WeakKeyDictionary[Any, OutputOwner] = WeakKeyDictionary()
"""The publishers that user code has created, by whose code it was: they capture for that code."""


# -- with a shell -------------------------------------------------------------------------------------


def patch_publishers(module: ModuleType) -> list[Undo]:
    """Patch the classes of a module that publish what is displayed."""
    undo = []
    for kind in list(vars(module).values()):
        if not (isinstance(kind, type) and kind.__module__ == module.__name__):
            continue
        if "publish" in vars(kind):
            undo.append(replace_attribute(kind, "publish", _capturing_publish(vars(kind)["publish"])))
        if "clear_output" in vars(kind):
            undo.append(replace_attribute(kind, "clear_output", _capturing_clear(vars(kind)["clear_output"])))
        if kind.__name__ == "CapturingDisplayPublisher":
            undo.append(replace_attribute(kind, "__init__", _remembering_init(kind)))
    return undo


def _capturing_publish(original: Callable[..., Any]) -> Callable[..., Any]:
    def publish(
        publisher: Any,
        data: Any,
        metadata: Any = None,
        *args: Any,
        transient: Any = None,
        update: bool = False,
        **kwargs: Any,
    ) -> Any:
        owner = current_owner.get()
        if owner is not None and _makers.get(publisher) is not owner:
            output = owner.output
            if output is None:
                return None
            _keep(output, data, metadata, transient)
            if not output.is_shown:
                return None
        with capturing_for(None):
            return original(publisher, data, metadata, *args, transient=transient, update=update, **kwargs)

    return publish


def _capturing_clear(original: Callable[..., Any]) -> Callable[..., Any]:
    def clear_output(publisher: Any, wait: bool = False) -> Any:
        owner = current_owner.get()
        if owner is not None and _makers.get(publisher) is not owner:
            output = owner.output
            if output is None:
                return None
            output.clear()
            if not output.is_shown:
                return None
        with capturing_for(None):
            return original(publisher, wait)

    return clear_output


def _remembering_init(kind: type[Any]) -> Callable[..., None]:
    original = kind.__init__

    def __init__(publisher: Any, *args: Any, **kwargs: Any) -> None:
        original(publisher, *args, **kwargs)
        owner = current_owner.get()
        if owner is not None:
            _makers[publisher] = owner

    return __init__


def _keep(output: Output, data: Any, metadata: Any, transient: Any) -> None:
    if isinstance(data, Mapping):
        about = metadata if isinstance(metadata, Mapping) else None
        output.show(data, about, (transient or {}).get("display_id"), _redraw(data))


# -- without a shell ----------------------------------------------------------------------------------


def patch_functions(module: ModuleType) -> list[Undo]:
    """Patch the functions of `IPython.core.display_functions` for processes that have no shell."""
    handle = module.DisplayHandle
    return [
        replace_code(module.display, lambda original: _capturing_display(original, handle)),
        replace_code(
            module.publish_display_data,
            lambda original: _without_shell(original, _published, also_prints=False),
        ),
        replace_code(
            module.clear_output, lambda original: _without_shell(original, _cleared, also_prints=False)
        ),
    ]


def _capturing_display(original: Callable[..., Any], handle: type[Any]) -> Callable[..., Any]:
    def displayed(output: Output | None, *objs: Any, **kwargs: Any) -> Any:
        display_id = kwargs.get("display_id")
        made = handle(None if display_id is True else display_id) if display_id else None
        if output is not None:
            _format_all(output, objs, **{**kwargs, "display_id": made and made.display_id})
        return made

    return _without_shell(original, displayed, also_prints=True)


def _without_shell(
    original: Callable[..., Any], captured: Callable[..., Any], *, also_prints: bool
) -> Callable[..., Any]:
    """Return a function that calls `captured` for user code in a process without a shell."""

    def function(*args: Any, **kwargs: Any) -> Any:
        owner = current_owner.get()
        if owner is None or _has_shell():
            return original(*args, **kwargs)
        output = owner.output
        made = captured(output, *args, **kwargs)
        if output is not None and output.is_shown and also_prints:
            with capturing_for(None):
                original(*args, **kwargs)
        return made

    return function


def _published(
    output: Output | None, data: Any, metadata: Any = None, *, transient: Any = None, **_: Any
) -> None:
    if output is not None:
        _keep(output, data, metadata, transient)


def _cleared(output: Output | None, wait: bool = False) -> None:
    if output is not None:
        output.clear()


def _format_all(
    output: Output,
    objs: tuple[Any, ...],
    *,
    include: Any = None,
    exclude: Any = None,
    metadata: Any = None,
    transient: Any = None,
    display_id: str | None = None,
    raw: bool = False,
    clear: bool = False,
    **_: Any,
) -> None:
    if clear:
        output.clear()
    about = {**(transient or {}), **({"display_id": display_id} if display_id else {})}
    for obj in objs:
        if raw:
            _keep(output, obj, metadata, about)
            continue
        data, found = _formatter().format(obj, include=include, exclude=exclude)
        if data:  # else it has displayed itself
            _keep(output, data, {**found, **(metadata or {})}, about)


def _has_shell() -> bool:
    shell = sys.modules.get("IPython.core.interactiveshell")
    return shell is not None and bool(shell.InteractiveShell.initialized())


@cache
def _formatter() -> Any:
    """Return IPython's formatter of objects, which knows figures, too."""
    from IPython.core.formatters import DisplayFormatter

    from durablenb.engine.capture.figures import figure_png

    formatter: Any = DisplayFormatter()
    formatter.formatters["image/png"].for_type_by_name("matplotlib.figure", "Figure", figure_png)
    return formatter


# -- widgets ------------------------------------------------------------------------------------------


def _redraw(data: Mapping[str, Any]) -> Callable[[], Mapping[str, Any] | None] | None:
    """Return what draws a displayed widget as it is then: it is gone with its kernel."""
    found = data.get(WIDGET)
    widgets = sys.modules.get("ipywidgets.widgets.widget")
    if not isinstance(found, Mapping) or widgets is None:
        return None
    widget = getattr(widgets, "_instances", {}).get(found.get("model_id"))
    if widget is None:
        return None
    return lambda: None if widget.comm is None else {"text/plain": _widget_text(widget)}


def _widget_text(widget: Any) -> str:
    """Return a widget as text; progress bars and boxes as they look."""
    if hasattr(widget, "bar_style") and hasattr(widget, "max"):
        low = float(widget.min)
        part = (float(widget.value) - low) / ((float(widget.max) - low) or 1.0)
        return f"|{'█' * round(_BAR * min(max(part, 0.0), 1.0)):<{_BAR}}|"
    if hasattr(widget, "children"):
        return " ".join(filter(None, map(_widget_text, widget.children)))
    if isinstance(value := getattr(widget, "value", None), str):
        from html import unescape

        return unescape(value).replace("\N{FIGURE SPACE}", " ").strip()
    return repr(widget)
