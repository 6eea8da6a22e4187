"""Histories that leave a hub, and histories that come into one: files, Azure's answers, other hubs."""
