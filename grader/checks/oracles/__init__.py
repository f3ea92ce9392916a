"""Independent ways to compute what checks expect."""
