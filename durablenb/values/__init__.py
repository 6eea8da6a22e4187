"""Values of activities and orchestrators: encoded as text and blobs, and decoded."""
