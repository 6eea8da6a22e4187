"""Live views: the still pictures, redrawn while they change, with controls."""
