"""The status line of a plugin and what it is made of."""
