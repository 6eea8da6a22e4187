"""Recognizes objects of Azure's own package, which apps written for it may pass."""

from __future__ import annotations


def is_azure_object(value: object, name: str) -> bool:
    """Tell whether a value is of a class of ``azure.durable_functions``, without importing that package."""
    kind = type(value)
    return kind.__name__ == name and kind.__module__.startswith("azure.durable_functions.")
