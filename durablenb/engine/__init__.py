"""The engine: messages in, facts into the journal, activities out to executors."""
