"""What `pairlet doctor` looks at on this machine and on the way to its servers."""
