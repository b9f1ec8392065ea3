"""Script: the program that is written, as a typed tree, and how it becomes text."""
