"""Histories that leave or enter a hub as files, as statuses of Azure's, or from a management API."""
