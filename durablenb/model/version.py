"""The version of durablenb."""

VERSION = "0.1.0"
