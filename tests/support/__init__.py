"""Scripted peers and the stand-ins for a driver."""
