"""The script of the Glue job `refine`, whose package is in --extra-py-files."""

from refine.job import main

if __name__ == "__main__":
    main()
