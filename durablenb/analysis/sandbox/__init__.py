"""Queries of others, answered in a process of their own, from a copy of the journal, within limits."""
