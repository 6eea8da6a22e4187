"""Activities on a cluster: the executors for Dask and Ray, and what runs on their workers."""
