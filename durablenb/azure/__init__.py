"""Function apps, loaded and called as Azure does; and a hub's functions on durabletask workers."""
