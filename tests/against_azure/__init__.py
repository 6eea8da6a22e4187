"""The same orchestrators, in Azure's own library for Python and here."""
