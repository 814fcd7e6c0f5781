"""`pairlet init`: what it asks, what it concludes from the answers, and the file that it writes."""
