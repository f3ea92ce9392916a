"""What students hand in, in any form, as modules."""
