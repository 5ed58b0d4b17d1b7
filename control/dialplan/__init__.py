"""The files that send a PBX's calls to us, as text. Pure: a `Plan` in, XML or SQL out."""
