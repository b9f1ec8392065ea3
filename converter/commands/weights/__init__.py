"""Weights by hand: the command `mindconverter-weights`."""
