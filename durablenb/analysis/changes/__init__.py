"""Whether other code fits, what became of forks, and where two histories part."""
