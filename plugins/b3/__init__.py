"""B3, the Brazilian exchange: its files, its sessions, and where the lake keeps them."""
