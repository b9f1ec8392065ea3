"""Helpers that several operator tables share; there are no tables here."""
