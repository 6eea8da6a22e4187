"""Everything that notebooks show of durablenb: still pictures, live views, figures and magics."""
