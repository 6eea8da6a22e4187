"""Checks of orchestrators: of their source before they run, and of their calls while they run."""
