"""The journal in DuckDB, and in memory."""
