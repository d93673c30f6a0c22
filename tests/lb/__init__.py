"""Farms: the model, the configuration and the table."""
