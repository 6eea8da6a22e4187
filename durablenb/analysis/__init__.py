"""Questions about what happened; rows in, text and frozen values out."""
