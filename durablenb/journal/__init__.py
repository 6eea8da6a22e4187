"""Histories as they are read: of a file, of a served hub, and of bundles that come from elsewhere."""
