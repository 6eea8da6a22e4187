"""What an entity is, did and has to do."""
