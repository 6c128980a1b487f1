"""Training the classifier on random waves of the generator."""
