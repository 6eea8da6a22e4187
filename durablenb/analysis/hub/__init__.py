"""A hub as a whole: its instances in numbers, how fast it works, who calls whom."""
