"""Hypothesis strategies for what histories are made of: events of every kind, with odd texts and times."""

import json
from dataclasses import fields
from datetime import UTC

from hypothesis import strategies as st

from durablenb.model.events import ALL_EVENTS, RULES, Origin, ParentInstance
from durablenb.model.failures import FailureDetails

any_text = st.text(st.characters(categories=None), max_size=20)
"""With NUL, lone surrogates and all."""

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""What UTF-8 can hold: names, which stand in the journal as they are."""

_ODD_IDS = (
    "a",
    "it's",
    '"quoted"',
    "100%_sure",
    "Ünïcode-ß",
    "雪",
    "😀",
    "a b",
    "a:b",
    "null",
    "[1]",
    "x" * 256,
)
instance_ids = st.sampled_from(_ODD_IDS) | st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="/\\#?@"), min_size=1, max_size=20
)

moments = st.datetimes(timezones=st.just(UTC))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
payloads = json_values.map(json.dumps)

failures = st.recursive(
    st.builds(FailureDetails, any_text, any_text, any_text, st.none(), st.booleans()),
    lambda inner: st.builds(FailureDetails, any_text, any_text, any_text, inner, st.booleans()),
    max_leaves=3,
)

_task_ids = st.integers(0, 2**31 - 1)
_counts = st.integers(1, 2**31 - 1)

origins = st.builds(
    Origin,
    instance_ids,
    st.just("0" * 16),
    _counts,
    _task_ids,
    st.lists(_task_ids, max_size=2).map(tuple),
    st.none() | instance_ids,
    st.none() | moments,
)
"""Whom an instance may have been forked from."""

_FIELDS = {
    "event_id": _counts,
    "timestamp": moments,
    "name": texts,
    "input": payloads,
    "result": payloads,
    "status": payloads,
    "reason": any_text,
    "failure": failures,
    "task_id": _task_ids,
    "retry_of": st.none() | _task_ids,
    "timeout": st.none() | st.floats(0.001, 1e9),
    "heartbeat_timeout": st.none() | st.floats(0.001, 1e9),
    "attempt": _counts,
    "priority": st.integers(-3, 3),
    "instance_id": instance_ids,
    "version": st.none() | any_text,
    "tags": st.dictionaries(any_text, any_text, max_size=3),
    "generation": st.integers(0, 10_000),
    "source": st.none() | st.text("0123456789abcdef", min_size=16, max_size=16),
    "worker": st.none() | any_text,
    "cached_from": st.none() | any_text,
    "line": st.none() | _counts,
    "rest": any_text,
    "parent": st.none() | st.builds(ParentInstance, instance_ids, st.just("0" * 16), _task_ids, texts),
    "caller": st.builds(ParentInstance, instance_ids, st.just("0" * 16), _task_ids, texts),
    "is_signal": st.booleans(),
    "entity_id": instance_ids,
    "entity_ids": st.lists(instance_ids, min_size=1, max_size=3).map(tuple),
    "position": st.integers(0, 100),
    "state": payloads,
    "deliver_at": st.none() | moments,
    "fire_at": moments,
    "started_at": st.none() | moments,
    "scheduled_start_time": st.none() | moments,
    "forked_from": st.lists(origins, max_size=2).map(tuple),
    "is_partial": st.booleans(),
    "is_left": st.booleans(),
    "prefix": texts,
    "rules": st.integers(1, RULES),
}


def events_of(kind):
    """Events of one kind, all their fields at random."""
    return st.builds(kind, **{field.name: _FIELDS[field.name] for field in fields(kind)})


events = st.one_of([events_of(kind) for kind in ALL_EVENTS])
