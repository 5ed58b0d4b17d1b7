"""Wires: how audio and call control travel between FreeSWITCH and a pipeline."""
