"""Tests of noidchecks.plugin."""
