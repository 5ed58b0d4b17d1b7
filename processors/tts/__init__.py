"""Stages that turn text into speech."""
