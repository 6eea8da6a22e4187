"""The pure core: a history and an orchestrator in, facts out; no clock, no thread, no disk."""
