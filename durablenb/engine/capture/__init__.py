"""Capture of what activities and orchestrators print and log, for the log of their instance."""
