"""What other limits would have done on the recorded past."""
