"""Keys of calls: what has to be equal for two calls of an activity to have equal results."""
