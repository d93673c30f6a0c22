"""Tests against real servers, which need root and start with integration/run."""
