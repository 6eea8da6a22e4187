"""What one instance did, when, and what it waits for: history, steps, graph, timeline."""
