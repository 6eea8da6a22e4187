"""The journal over a network: what a hub tells of it, and the copy that somebody else looks at."""
