"""Stages that decide when the caller speaks."""
