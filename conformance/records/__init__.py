"""Records of what an implementation does with some cases, and what differs between two of them."""
