"""Function apps, as in Azure: loading, registering, and calls for HTTP requests and timers."""
