"""A user-mode Linux with what this machine's kernel lacks (IPVS); the workers of a lab run in it.

ipvs_support.py decides whether a topology needs it, build.py builds its kernel, guest.py boots it, init.py and
making.py run inside it. Start with guest.py and docs/ipvs.md.
"""
