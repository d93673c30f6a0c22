"""The dashboards for Grafana."""
