"""All rows of all views of a hub, but for where instances came from."""

VIEWS = "select view_name from duckdb_views() where not internal"


def rows_of(connection):
    """By view, the rows as text, sorted."""
    names = {name for (name,) in connection.execute(VIEWS).fetchall()} - {"imports"}
    return {name: _rows(connection, name) for name in sorted(names | {"journal", "sources", "blobs"})}


def _rows(connection, name):
    counted = "seq" if name == "logs" else "origin"  # lines are counted on, whatever was purged
    columns = f"columns(lambda c: c not in ('origin', '{counted}'))"
    return sorted(map(repr, connection.execute(f"select {columns} from {name}").fetchall()))
