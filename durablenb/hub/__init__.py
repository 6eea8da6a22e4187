"""Hubs, instances, entities and clients: of this process, of a file, or of a server."""
