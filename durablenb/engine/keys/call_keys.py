"""The key of a call: of its input, its function's code, and the policy."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

from durablenb.core.annotations import function_types
from durablenb.core.ports.executor import Job
from durablenb.core.registry import Activity
from durablenb.engine.keys.code_parts import CodeParts, UnknownPartError
from durablenb.engine.keys.user_code import is_users_module
from durablenb.model.arguments import are_arguments
from durablenb.model.caching import CacheKey, CachePolicy, digest
from durablenb.model.payloads import REFERENCE, Codec, carried_blobs, references
from durablenb.values.codec import ValueCodec

log = logging.getLogger("durablenb")

_TYPES = re.compile(r'"@type": "([^"\\]+)"')
_PICKLE = '"@type": "pickle"'


class CallKeys:
    """Computes the keys of calls, and reports once what can't be part of a key."""

    def __init__(self) -> None:
        self._reported: set[tuple[str, str]] = set()

    def of(self, job: Job, activity: Activity) -> CacheKey | None:
        """Return the key of a call, as of now; None without a cache, or if it can't be computed.

        From any thread.
        """
        if activity.cache is None:
            return None
        try:
            return call_key(job, activity, activity.cache)
        except UnknownPartError as error:
            self._report(activity.name, str(error))
        except Exception as error:  # of users' methods, or of a namespace that changes meanwhile
            self._report(activity.name, f"its key can't be computed ({type(error).__name__}: {error})")
        return None

    def unchanged(self, key: CacheKey, job: Job, activity: Activity) -> CacheKey | None:
        """Return the key of a call that has ended, if it is what it was before the call was submitted."""
        after = self.of(job, activity)
        if after is None or after.digest == key.digest:
            return after
        parts = sorted(part for part, now in after.parts.items() if key.parts.get(part) != now)
        changed = ", ".join(parts) or "its code"
        self._report(
            activity.name,
            f"{changed} changed before the call ended, so the result may come from either value",
        )
        return None

    def _report(self, name: str, why: str) -> None:
        if (name, why) not in self._reported:
            self._reported.add((name, why))
            log.warning("A result of %r isn't remembered: %s.", name, why)


def call_key(job: Job, activity: Activity, policy: CachePolicy) -> CacheKey:
    """Return the key of a call, as of now.

    Raises
    ------
    UnknownPartError
        If a part of it can't be computed.
    """
    parts = {"policy": digest(json.dumps([policy.by, policy.ignore]))}
    if policy.version is not None:
        parts["version"] = json.dumps(policy.version)
    if "code" in policy.by:
        parts["Python"] = ".".join(map(str, sys.version_info[:2]))
        parts.update(_code_parts(job, activity, policy))
    input_digest = _input_digest(job.text, policy) if "input" in policy.by else ""
    return CacheKey(activity.name, input_digest, parts)


def _input_digest(text: str, policy: CachePolicy) -> str:
    if not policy.ignore:
        return digest(text)
    tree = json.loads(text)
    fields = tree
    if are_arguments(text):
        fields = tree["@value"][1]
    elif isinstance(tree, dict) and isinstance(tree.get("@value"), dict):  # an object of a registered class
        fields = tree["@value"]
    if isinstance(fields, dict):
        for name in policy.ignore:
            fields.pop(name, None)
    return digest(json.dumps(tree))


def _code_parts(job: Job, activity: Activity, policy: CachePolicy) -> dict[str, str]:
    found = CodeParts(policy.ignore, [job.text])
    found.add("function", activity.function)
    for name, expected in _types_of_input(job.text, activity):
        if expected is not None:
            found.add(f"type of {name}", expected)
    for name, class_ in _classes_in(job.text, job.codec).items():
        found.add(f"class {name} of the input", class_)
    for module in _pickled_modules(job.text, job.codec):
        found.add(f"module {module} of the input", sys.modules[module])
    return found.parts


def _types_of_input(text: str, activity: Activity) -> list[tuple[str, Any]]:
    """Return the annotations to which an input is rebuilt, by what they are of."""
    types = function_types(activity.function)
    if are_arguments(text):
        return [(f"the argument {name}", expected) for name, expected in types.arguments.named.items()]
    return [("the input", types.input)] if activity.takes_input else []


def _classes_in(text: str, codec: Codec) -> dict[str, type[Any]]:
    """Return the registered classes of which there may be objects in an input."""
    if not isinstance(codec, ValueCodec) or '"@type"' not in text:
        return {}
    registered = codec.types.registered
    if REFERENCE in text:  # objects in the cells of a data frame
        return registered
    return {name: registered[name] for name in sorted(set(_TYPES.findall(text))) if name in registered}


def _pickled_modules(text: str, codec: Codec) -> list[str]:
    """Return the user's modules that the pickles in an input name."""
    if not isinstance(codec, ValueCodec) or _PICKLE not in text:
        return []
    carried = {blob.hash: blob.content for blob in carried_blobs(text)}
    contents = [carried.get(blob) or codec.fetch_blob(blob) for blob in references(text)]
    names = [name for name in list(sys.modules) if name != "__main__" and is_users_module(name)]
    return sorted(name for name in names if any(name.encode() in content for content in contents))
