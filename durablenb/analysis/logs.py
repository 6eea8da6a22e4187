"""The log of an instance, as a list and as text."""

from __future__ import annotations

from collections.abc import Iterable

from durablenb.analysis.of_instance import OfInstance
from durablenb.analysis.text import display_width, padded, plural
from durablenb.model.logs import LogLine, level_number


class Log(OfInstance[LogLine]):
    """The log lines of an instance, oldest first. Printing the log prints them.

    Parameters
    ----------
    instance_id
        The instance's id.
    lines
        Its own lines, and those of its sub-orchestrations.

    Examples
    --------
    >>> import durablenb as df
    >>> hub = df.TaskHub(":memory:")
    >>> @hub.activity
    ... def fetch(city):
    ...     print("fetching", city)
    >>> @hub.orchestrator
    ... def season(context):
    ...     context.logger.info("%d cities", len(context.get_input()))
    ...     for city in context.get_input():
    ...         yield context.call_activity(fetch, city)
    >>> handle = hub.start(season, ["Oslo", "Rome"], instance_id="2026")
    >>> handle.result()
    >>> handle.logs()
    <Log of 2026: 3 lines>
    >>> print(handle.logs())
    season    INFO: 2 cities
    fetch #0  fetching Oslo
    fetch #1  fetching Rome
    >>> [line.message for line in handle.logs(name="fetch")]
    ['fetching Oslo', 'fetching Rome']
    >>> hub.close()
    """

    def __init__(self, instance_id: str, lines: Iterable[LogLine]) -> None:
        super().__init__(instance_id, lines)

    def only(
        self, *, level: int | str | None = None, task_id: int | None = None, name: str | None = None
    ) -> Log:
        """Return the lines that meet every condition given; see `Handle.logs`.

        Raises
        ------
        ValueError
            If there is no such level.
        """
        least = None if level is None else level_number(level)
        return Log(
            self.instance_id,
            (
                line
                for line in self._items
                if (least is None or line.reaches(least))
                and (task_id is None or (line.instance_id, line.task_id) == (self.instance_id, task_id))
                and (name is None or line.name == name)
            ),
        )

    def author(self, line: LogLine) -> str:
        """Return the author of a line, with the instance's id if it is another instance."""
        return line.author if line.instance_id == self.instance_id else f"{line.instance_id} {line.author}"

    def __str__(self) -> str:
        authors = [self.author(line) for line in self._items]
        width = max(map(display_width, authors), default=0)
        indent = "\n" + " " * (width + 2)
        return "\n".join(
            f"{padded(author, width)}  {_plain(line_text(line)).replace(chr(10), indent)}".rstrip()
            for author, line in zip(authors, self._items, strict=True)
        )

    def __repr__(self) -> str:
        return f"<Log of {self.instance_id}: {plural(len(self), 'line')}>"


def _plain(text: str) -> str:
    """Return the text without control characters other than line breaks and tabs."""
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in text)


def line_text(line: LogLine) -> str:
    """Return the message of a line, with the level if a logger wrote it."""
    return line.message if line.level is None else f"{line.level}: {line.message}"
