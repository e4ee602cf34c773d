"""Serving without a server."""
