"""Which durablenb this is."""

VERSION = "0.1.0"
