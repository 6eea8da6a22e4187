"""What a notebook holds: hubs, instances, entities and clients, whether they run here, in a file or elsewhere."""
