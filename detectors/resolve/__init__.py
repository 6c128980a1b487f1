"""From a post's text to the tokens it names: contract address, then cashtag, then alias in context."""
