"""What the text displays have in common: layout and drawing, none of which knows where the bytes go."""
