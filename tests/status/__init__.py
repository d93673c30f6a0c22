"""Tests of noidchecks.status."""
