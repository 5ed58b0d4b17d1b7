"""The doors: HTTP, the phone door and the command line."""
