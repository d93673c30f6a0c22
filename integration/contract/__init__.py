"""Our plugins beside the C plugins of monitoring-plugins 2.3.3, over the same peers."""
