"""The rich outputs of an instance: what its activities and orchestrators displayed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from durablenb.analysis.of_instance import OfInstance
from durablenb.analysis.text import plural
from durablenb.model.display import Saved
from durablenb.model.outputs import Content, OutputPart, OutputState, decoded, display_value

if TYPE_CHECKING:
    import pandas


class RichOutput(Saved):
    """One output that was displayed: a figure, a table, a text, in each of its representations.

    A notebook shows it as a picture, a table or text. Scripts in it don't run and its style sheets don't
    apply, since a history may come from another person. `display` shows it as it was.

    Parameters
    ----------
    state
        Its last state, as the journal has it.
    read_blob
        Returns the bytes of a blob.
    """

    def __init__(self, state: OutputState, read_blob: Callable[[str], bytes]) -> None:
        self._state = state
        self._read_blob = read_blob

    @property
    def instance_id(self) -> str:
        """The id of the instance."""
        return self._state.instance_id

    @property
    def execution_id(self) -> str:
        """The id of the execution."""
        return self._state.execution_id

    @property
    def task_id(self) -> int | None:
        """The task of that execution that displayed it; None for the orchestrator itself."""
        return self._state.task_id

    @property
    def name(self) -> str:
        """The activity's or the orchestrator's name."""
        return self._state.name

    @property
    def attempt(self) -> int:
        """The number of the attempt, from 1, if the call was retried."""
        return self._state.attempt

    @property
    def timestamp(self) -> datetime:
        """When its last state was displayed, aware, UTC, by the hub's clock."""
        return self._state.timestamp

    @property
    def author(self) -> str:
        """The author of the output: ``plot #3`` for an activity's call, the bare name for an orchestrator."""
        return self._state.author

    @property
    def mime_types(self) -> tuple[str, ...]:
        """The MIME types of its representations."""
        return tuple(part.mime_type for part in self._state.parts)

    @property
    def size(self) -> int:
        """The number of bytes of all its representations."""
        return sum(part.size for part in self._state.parts)

    @property
    def data(self) -> dict[str, Any]:
        """Its representations by MIME type: pictures as bytes, JSON as values, all others as text."""
        parts = self._state.parts
        return {part.mime_type: display_value(part.mime_type, self._content(part)) for part in parts}

    @property
    def metadata(self) -> dict[str, Any]:
        """Its metadata by MIME type, such as the width of a picture."""
        parts = [part for part in self._state.parts if part.metadata is not None]
        return {part.mime_type: json.loads(part.metadata or "null") for part in parts}

    def content(self, mime_type: str) -> Content | None:
        """Return one representation: bytes for a picture, text for all others; None if it has none."""
        part = next((part for part in self._state.parts if part.mime_type == mime_type), None)
        return None if part is None else self._content(part)

    def part_size(self, mime_type: str) -> int:
        """Return the number of bytes of one representation; 0 if it has none."""
        return sum(part.size for part in self._state.parts if part.mime_type == mime_type)

    def display(self) -> None:
        """Display it in the notebook as it was displayed: scripts in it run.

        Only do so if you trust the history.
        """
        from IPython.display import display

        display(self.data, metadata=self.metadata, raw=True)  # type: ignore[no-untyped-call]

    def _content(self, part: OutputPart) -> Content:
        if part.text is not None:
            return part.text
        assert part.hash is not None
        return decoded(part.mime_type, self._read_blob(part.hash))

    def __eq__(self, other: object) -> bool:
        return self._state == other._state if isinstance(other, RichOutput) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._state.key)

    def __repr__(self) -> str:
        return f"<output of {self.author}: {', '.join(self.mime_types)}>"


class Outputs(OfInstance[RichOutput]):
    """The rich outputs of an instance, in the order in which they were first displayed.

    Parameters
    ----------
    instance_id
        The instance's id.
    outputs
        Its own outputs, and those of its sub-orchestrations.

    Examples
    --------
    >>> import durablenb as df
    >>> from IPython.display import HTML, display
    >>> hub = df.TaskHub(":memory:")
    >>> @hub.activity
    ... def report(city):
    ...     display(HTML(f"<h2>{city}</h2>"))
    >>> @hub.orchestrator
    ... def season(context):
    ...     yield context.call_activity(report, context.get_input())
    >>> handle = hub.start(season, "Oslo", instance_id="2026")
    >>> handle.result()
    >>> handle.outputs()
    <Outputs of 2026: 1 output>
    >>> handle.outputs()[0]
    <output of report #0: text/html, text/plain>
    >>> handle.outputs()[0].data["text/html"]
    '<h2>Oslo</h2>'
    >>> hub.close()
    """

    def __init__(self, instance_id: str, outputs: Iterable[RichOutput]) -> None:
        super().__init__(instance_id, outputs)

    def only(self, *, task_id: int | None = None, name: str | None = None) -> Outputs:
        """Return the outputs that meet every condition given; see `Handle.outputs`."""
        return Outputs(
            self.instance_id,
            (
                output
                for output in self._items
                if (task_id is None or (output.instance_id, output.task_id) == (self.instance_id, task_id))
                and (name is None or output.name == name)
            ),
        )

    def author(self, output: RichOutput) -> str:
        """Return the author of an output, with the instance's id if it is another instance."""
        is_own = output.instance_id == self.instance_id
        return output.author if is_own else f"{output.instance_id} {output.author}"

    def df(self) -> pandas.DataFrame:
        """Return a data frame with a row for each output, without contents but for the plain text."""
        import pandas

        names = ("instance_id", "task_id", "name", "attempt", "timestamp", "mime_types", "bytes", "text")
        rows = [
            (
                *(output.instance_id, output.task_id, output.name, output.attempt, output.timestamp),
                *(list(output.mime_types), output.size, output.content("text/plain")),
            )
            for output in self._items
        ]
        return pandas.DataFrame(rows, columns=list(names))

    def __repr__(self) -> str:
        return f"<Outputs of {self.instance_id}: {plural(len(self), 'output')}>"
