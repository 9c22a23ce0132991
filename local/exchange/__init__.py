"""B3 on one machine: replay a folder of real files, or simulate a market."""
