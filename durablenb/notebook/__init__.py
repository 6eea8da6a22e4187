"""What notebooks show: pictures and tables that need no kernel, no script and no network."""
