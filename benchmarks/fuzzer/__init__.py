"""Inputs that no codec was made for, by number: the same number of the same codec is always the same input."""
