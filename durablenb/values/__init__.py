"""Values: what activities and orchestrators may hand around, as text and as blobs, and back."""
