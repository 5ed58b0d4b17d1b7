"""Stages that decide what to say."""
