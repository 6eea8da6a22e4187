"""Live views: what the still pictures show, drawn again while it changes."""
