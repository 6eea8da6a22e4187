"""The journal in DuckDB."""
