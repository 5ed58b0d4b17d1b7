"""The `atende` commands, one file each."""
