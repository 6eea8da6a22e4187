"""A hub's file, looked into without an engine."""
