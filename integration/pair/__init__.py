"""Two balancers, configured by nothing but what noidlb pair wrote, with real keepalived and conntrackd."""
