"""Properties that hold for every orchestrator, tried on generated ones."""
