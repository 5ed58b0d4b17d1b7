"""Stages that hear, think and speak by themselves."""
