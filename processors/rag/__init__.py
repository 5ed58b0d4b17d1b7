"""Stages that look things up for a turn."""
