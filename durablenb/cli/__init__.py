"""The command line."""

from durablenb.cli.command_line import main

__all__ = ["main"]
