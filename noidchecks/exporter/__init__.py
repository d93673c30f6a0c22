"""`noidchecks exporter`: probes for Prometheus over HTTP, in the manner of blackbox_exporter.

An HTTP request names a module (a plugin's command line) and a target (a host); the answer is the metrics of one probe.
Needs aiohttp and PyYAML, the extra `noidchecks[exporter]`.
"""
