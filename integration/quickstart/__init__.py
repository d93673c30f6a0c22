"""The quickstart of docs/farms.md, followed word by word between namespaces: balancer, two servers, a client."""
