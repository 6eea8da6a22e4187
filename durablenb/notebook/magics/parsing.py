"""Parsing of lines of `%durable`."""

from __future__ import annotations

import json
import re
import shlex
from argparse import SUPPRESS, Namespace
from io import StringIO
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser

CONTROL_COMMANDS = ("raise", "cancel", "terminate", "suspend", "resume", "rewind", "restart", "fork", "purge")
"""Commands that change an instance."""

REPLAY_COMMANDS = ("replay", "explore")
"""Commands that step through the replays of an instance."""

SHOW_COMMANDS = (
    "show",
    "history",
    "graph",
    "timeline",
    "sequence",
    "watch",
    "logs",
    "outputs",
    "card",
    *REPLAY_COMMANDS,
)
"""Commands that show an instance."""

COMMANDS = ("where", "ls", *SHOW_COMMANDS, *CONTROL_COMMANDS, "entities", "entity", "check", "sql", "crash")

_WITH_REST = {
    "raise": 3,
    "cancel": 2,
    "terminate": 2,
    "suspend": 2,
    "resume": 2,
    "rewind": 2,
    "fork": 3,
    "sql": 1,
}
"""Commands that take the rest of the line verbatim, after this number of words."""

_WITH_VALUE = ("--hub", "--id", "--input")
"""Options with a value that may precede such a rest."""

_VARIABLE = re.compile(r"\$([^\W\d]\w*)")


def parse_line(line: str) -> Namespace:
    """Return the options of a line; `rest` is the verbatim rest of the line, if the command takes one.

    Raises
    ------
    UsageError
        If the line is invalid; the message says why.
    """
    try:
        words, rest = _split(line)
    except ValueError as error:
        raise UsageError(f"{error} in {line!r}.") from None
    options: Namespace = _parser().parse_args(words)
    options.rest = rest
    return options


def parse_value(text: str, variables: dict[str, Any]) -> Any:
    """Return the value of a text: JSON, a variable as ``$name``, or plain text; None if it is empty.

    Raises
    ------
    UsageError
        If the text looks like JSON and isn't, or there is no such variable.
    """
    if not text:
        return None
    if (match := _VARIABLE.fullmatch(text)) is not None:
        if match[1] not in variables:
            raise UsageError(
                f"There is no variable {match[1]!r}. Write '{text}' in quotes to send it as text."
            )
        return variables[match[1]]
    try:
        return json.loads(text)
    except ValueError as error:
        if text[0] in '{["':
            raise UsageError(f"{text} isn't JSON: {error}. To send a Python value, write $name.") from None
    return unquoted(text)


def unquoted(text: str) -> str:
    """Return text without quotes around it."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def _split(line: str) -> tuple[list[str], str]:
    stream = StringIO(line)
    lexer = shlex.shlex(stream, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    options: list[str] = []
    positional: list[str] = []
    while len(positional) < _WITH_REST.get(positional[0] if positional else "", len(line) + 1):
        word = lexer.get_token()
        if word is None:
            break
        if word.startswith(_WITH_VALUE):
            options.append(word)
            if word in _WITH_VALUE and (value := lexer.get_token()) is not None:
                options.append(value)
        else:
            positional.append(word)
    return [*positional[:1], *options, *positional[1:]], stream.read().strip()


def _parser() -> MagicArgumentParser:
    parser = MagicArgumentParser(prog="%durable")  # type: ignore[no-untyped-call]
    parser.add_argument("--hub")
    commands = parser.add_subparsers(dest="command")
    made = {name: commands.add_parser(name) for name in COMMANDS}
    for name in (*SHOW_COMMANDS, *CONTROL_COMMANDS):
        made[name].add_argument("instance")
    made["ls"].add_argument("--status", action="append")
    made["ls"].add_argument("--name")
    made["ls"].add_argument("--since")
    made["ls"].add_argument("--top", type=int)
    made["logs"].add_argument("--level")
    made["logs"].add_argument("--task", type=int)
    made["logs"].add_argument("--name")
    for name in REPLAY_COMMANDS:
        made[name].add_argument("--execution", type=int)
        made[name].add_argument("--code")
    made["raise"].add_argument("event")
    made["fork"].add_argument("event", nargs="?")
    made["fork"].add_argument("--id")
    made["fork"].add_argument("--input")
    made["restart"].add_argument("--same-id", action="store_true")
    made["entities"].add_argument("name", nargs="?")
    made["entity"].add_argument("entity")
    made["check"].add_argument("name")
    made["crash"].add_argument("--yes", action="store_true")
    for command in made.values():
        command.add_argument("--hub", default=SUPPRESS)
    return parser
