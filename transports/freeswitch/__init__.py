"""The FreeSWITCH wires: event socket and unicast media."""
