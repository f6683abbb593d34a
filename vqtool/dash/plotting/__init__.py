"""Arrays turned into terminal characters: curves on braille cells, pictures on half blocks, counts as bars."""
