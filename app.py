"""Atende: a telephone receptionist for FreeSWITCH and FusionPBX."""
