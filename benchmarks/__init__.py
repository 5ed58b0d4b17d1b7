"""Measured claims: one program each, run against a stated peer."""
