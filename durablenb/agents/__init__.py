"""Durable agents: pydantic-ai's agents, with activities for model requests and tool calls."""
