"""Ports: what the engine needs of the world."""
