"""The replays of an orchestration, await by await, and experiments on copies of it."""
