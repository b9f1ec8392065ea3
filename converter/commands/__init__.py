"""Commands: `mindconverter`, `mindconverter-weights`, and what they show on a terminal."""
