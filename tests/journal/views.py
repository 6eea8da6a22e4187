"""All rows of all views of a hub, without the origins of imported instances."""

VIEWS = "select view_name from duckdb_views() where not internal"


def rows_of(connection):
    """Return the sorted rows of each view, as text."""
    names = {name for (name,) in connection.execute(VIEWS).fetchall()} - {"imports"}
    return {name: _rows(connection, name) for name in sorted(names | {"journal", "sources", "blobs"})}


def _rows(connection, name):
    counted = "seq" if name == "logs" else "origin"  # lines are counted on, whatever was purged
    columns = f"columns(lambda c: c not in ('origin', '{counted}'))"
    return sorted(map(repr, connection.execute(f"select {columns} from {name}").fetchall()))
