"""The demonstration: an orchestration loses its process half-way, and another one goes on."""

from durablenb.demo.story import tell

__all__ = ["tell"]
