"""Analysis of journals: a DuckDB connection or a history in, frozen data and text out."""
