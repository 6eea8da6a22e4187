"""The hub over HTTP: Azure's management API, on Starlette and uvicorn."""
