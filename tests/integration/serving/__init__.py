"""Serving against a real Postgres, through real gRPC and HTTP."""
