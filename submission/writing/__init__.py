"""Our package: from the score tables of a run and the words of a team to the files that `checking` lets pass."""
