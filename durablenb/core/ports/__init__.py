"""Ports: the interfaces through which the engine uses the world."""
