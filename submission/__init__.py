"""What do the organisers, and a person, get to see?"""
