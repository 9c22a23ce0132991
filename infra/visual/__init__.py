"""The visual Glue job: its nodes, the script that is written from them, and their picture in docs/visual.md."""
