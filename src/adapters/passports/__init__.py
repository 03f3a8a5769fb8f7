"""Passports as signed tokens: the keys, the file that they lie in, and their rotation."""
