"""Stages that turn speech into text."""
