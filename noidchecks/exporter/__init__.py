"""`noidchecks exporter`: probes for Prometheus over HTTP, as blackbox_exporter.

An HTTP request names a module (a plugin's command line) and a target (a host); the answer is the metrics of one probe.
It needs aiohttp and PyYAML, the extra `noidchecks[exporter]`.
"""
