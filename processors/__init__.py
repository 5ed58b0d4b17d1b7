"""Stages of a call pipeline: they hear, think or speak."""
