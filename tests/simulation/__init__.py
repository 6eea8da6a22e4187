"""A simulator of the engine: one thread, a virtual clock, and a seed that decides what happens next."""
