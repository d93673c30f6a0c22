"""Tests of noidchecks.ssh."""
