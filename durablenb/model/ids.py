"""Ids: checks of what users pass as ids, and ids that are the same in every replay."""

from __future__ import annotations

import uuid
from datetime import datetime
from hashlib import blake2b
from typing import Literal, cast, get_args

IfExists = Literal["error", "attach", "restart"]
"""The choices for a start whose id belongs to an existing instance."""

INSTANCE_ID_LIMIT = 256
"""The maximal length of an instance's id, as in Azure's host."""

LARGEST_PRIORITY = 2**63 - 1
"""The largest priority, and with a minus the smallest one: the largest number of a bigint column."""

_FORBIDDEN = frozenset("/\\#?")
_UUID_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "9e952958-5e33-4daf-827f-2fa12937b875")


def checked_instance_id(instance_id: object) -> str:
    r"""Return an instance's id if Azure's rules allow it.

    Raises
    ------
    TypeError
        If the id isn't text.
    ValueError
        If the id is empty or too long, begins with ``@`` (as those of entities do), or contains one of
        ``/ \ # ?`` or a control character.
    """
    instance_id = asked_instance_id(instance_id)
    if not instance_id or len(instance_id) > INSTANCE_ID_LIMIT:
        raise ValueError(
            f"An instance's id has 1 to {INSTANCE_ID_LIMIT} characters; this one has {len(instance_id)}."
        )
    if instance_id.startswith("@"):
        raise ValueError(f"Orchestration instance ids must not start with @: {instance_id!r}.")
    for character in instance_id:
        if character in _FORBIDDEN or not character.isprintable():
            raise ValueError(
                f"The instance id {instance_id!r} has {character!r} in it; "
                "leave out / \\ # ? and control characters."
            )
    return instance_id


def asked_instance_id(instance_id: object) -> str:
    """Return the id of a lookup if it is text; a lookup accepts any text.

    Raises
    ------
    TypeError
        If it isn't text.
    """
    if not isinstance(instance_id, str):
        raise TypeError(f"An instance's id is text, not {type(instance_id).__name__}.")
    return str.__str__(instance_id)  # a subclass of `str` may print as something else


def checked_if_exists(if_exists: object, instance_id: str | None) -> IfExists:
    """Return the choice for an existing instance, if it is valid.

    Raises
    ------
    ValueError
        If the choice is unknown, or needs an id and there is none.
    """
    if if_exists not in get_args(IfExists):
        words = ", ".join(map(repr, get_args(IfExists)))
        raise ValueError(f"if_exists is {if_exists!r}; expected one of {words}.")
    if if_exists != "error" and instance_id is None:
        raise ValueError(
            f"if_exists={if_exists!r} needs an instance_id of your own. Without one, each start gets a new "
            "id, so no instance of that id can exist."
        )
    return cast(IfExists, if_exists)


def checked_event_name(name: object) -> str:
    """Return a name if it is valid for an external event.

    Raises
    ------
    TypeError
        If it isn't text.
    ValueError
        If it is empty.
    """
    if not isinstance(name, str):
        raise TypeError(f"An external event's name is text, not {type(name).__name__}.")
    if not name.strip():
        raise ValueError("external_event_name cannot be empty")
    return checked_text(name)


def checked_version(version: object) -> str | None:
    """Return a version if it is text or None.

    Raises
    ------
    TypeError
        If the version is anything else.
    """
    if version is not None and not isinstance(version, str):
        raise TypeError(f"A version is text, not {type(version).__name__}.")
    return version


def checked_text(text: str) -> str:
    """Return a text if a column of the journal can keep it.

    Raises
    ------
    ValueError
        If the text contains half of a surrogate pair, which is no character.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r} can't be a name: {error.reason} at position {error.start}.") from None
    return text


def checked_priority(priority: object) -> int:
    """Return a priority if it is one.

    Raises
    ------
    TypeError
        If it isn't a whole number.
    ValueError
        If it is larger than `LARGEST_PRIORITY`, or smaller than its negative.
    """
    if type(priority) is not int:
        raise TypeError(
            f"priority is {priority!r}; expected a whole number. Calls with a higher one begin first; the "
            "default is 0."
        )
    if abs(priority) > LARGEST_PRIORITY:
        raise ValueError(
            f"priority is {priority}; expected a number from {-LARGEST_PRIORITY:,} to {LARGEST_PRIORITY:,}."
        )
    return priority


def new_execution_id(instance_id: str, position: int, now: datetime) -> str:
    """Return the id of an execution that begins at a position of the journal: 16 hexadecimal digits."""
    text = f"{instance_id}\0{position}\0{now.isoformat()}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def new_uuid(instance_id: str, now: datetime, count: int) -> str:
    """Return the result of Azure's `new_uuid` for the call of this number.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> new_uuid("abc", datetime(2024, 1, 1, 0, 0, 1, tzinfo=timezone.utc), 0)
    'c1c04be2-abea-59b2-9fdb-f3ab8fb86903'
    """
    return str(uuid.uuid5(_UUID_NAMESPACE, f"{instance_id}_{now:%Y-%m-%dT%H:%M:%S.%fZ}_{count}"))


def new_guid(instance_id: str, now: datetime, count: int) -> uuid.UUID:
    """Return the result of Azure's `new_guid` for the call of this number.

    Examples
    --------
    >>> from datetime import datetime, timezone
    >>> str(new_guid("abc", datetime(2024, 1, 1, 0, 0, 1, tzinfo=timezone.utc), 1))
    'd03928ab-c85a-51e9-93a6-2233afee6601'
    """
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{instance_id}_{now}_{count}")


def task_number(task: int | str) -> int:
    """Return the number of a task that is given as ``3`` or ``"#3"``.

    Raises
    ------
    ValueError
        If it is neither.
    """
    text = str(task).removeprefix("#")
    if isinstance(task, bool) or not (text.isascii() and text.isdecimal()):
        raise ValueError(f"Expected a task, such as 3 or '#3', not {task!r}.")
    return int(text)
