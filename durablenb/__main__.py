"""`python -m durablenb`: the command line."""

import sys

from durablenb.cli import main

sys.exit(main())
