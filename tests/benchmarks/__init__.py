"""Workloads that are timed: `python -m tests.benchmarks [name ...]` prints one JSON line for each."""
