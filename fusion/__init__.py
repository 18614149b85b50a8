"""How are several systems' scores judged and joined?"""
