"""Pipelines: what runs for a call now, and how it is loaded, leased and retired."""
