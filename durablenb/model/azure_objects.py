"""Objects of Azure's own package, which an app that was made with it hands over."""

from __future__ import annotations


def is_azure_object(value: object, name: str) -> bool:
    """Whether it is of this class of ``azure.durable_functions``, which is never imported for that."""
    kind = type(value)
    return kind.__name__ == name and kind.__module__.startswith("azure.durable_functions.")
