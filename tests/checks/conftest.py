"""The corpus is read, not run."""

collect_ignore = ["corpus"]
