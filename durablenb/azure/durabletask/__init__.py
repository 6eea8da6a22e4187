"""A hub's functions on a `durabletask` worker: Azure's Durable Task Scheduler, or another sidecar."""
