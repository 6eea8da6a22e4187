"""What is selected of an instance, in all its views at once."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

import traitlets


class Selection(traitlets.HasTraits):
    """The key of what is selected of one instance."""

    selected = traitlets.Unicode()


_selections: WeakValueDictionary[Any, Selection] = WeakValueDictionary()


def selection_of(instance: Any) -> Selection:
    """Return the selection that all views of an instance share."""
    found = _selections.get(instance)
    if found is None:
        found = _selections[instance] = Selection()
    return found
