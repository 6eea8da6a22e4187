raise RuntimeError("a function that is disabled isn't imported")
