"""Filters: stages that let almost everything pass."""
