"""Tenants: their documents, their rows, and which number belongs to whom."""
