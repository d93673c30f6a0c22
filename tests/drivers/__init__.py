"""Tests of noidchecks.drivers."""
