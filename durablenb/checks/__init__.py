"""What an orchestrator must not do, found in its source before it runs."""
