"""B3 on one machine: replays a folder of real files, or simulates a market."""
