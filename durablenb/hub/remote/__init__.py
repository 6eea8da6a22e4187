"""A hub that another process serves: its client, and its views over a copy of what they look at."""
