"""The threaded engine under a scheduler that decides, from a seed, which thread runs when."""
