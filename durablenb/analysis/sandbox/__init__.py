"""Queries of other people: a process of its own answers them from a copy of the journal, within limits."""
