"""What an operator asks of a log from outside the workers, and does to it."""
