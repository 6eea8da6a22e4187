"""The journal over a network: the pages that a hub sends, and the copy in another process."""
