"""Whether a text is an address of a network: pure functions that never raise and ask nobody.

``networks.validate`` is the way in. Published test vectors are the authority; where we refuse
what a standard allows, the module of that network says so.
"""
