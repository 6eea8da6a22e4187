"""Golden histories: what a corpus of orchestrations leaves in the journal, kept byte for byte."""
