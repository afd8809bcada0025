"""The command line of cellam; installed as `cellam_cli`."""
