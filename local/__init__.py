"""Stand-ins that let the lake run on one machine."""
