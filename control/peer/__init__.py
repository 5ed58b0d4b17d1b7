"""The scripted FreeSWITCH behind `atende call`: it shares no code with `transports`."""
