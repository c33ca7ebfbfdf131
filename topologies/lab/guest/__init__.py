"""A user-mode Linux with what this machine's kernel lacks (IPVS); it holds the workers of a lab.

ipvs_support.py decides whether a topology needs it, build.py makes its kernel, guest.py boots it, init.py and
making.py run inside it. Start with guest.py and docs/ipvs.md.
"""
