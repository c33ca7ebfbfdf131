"""The lab's load balancer: an nftables configuration from a list of Services, and the controller that applies it.

config.py is pure: Services -> addresses, pools, forwarding rules, status. So are ruleset.py (nft rules) and
announcements.py (routes to addresses that nodes announce). controller.py watches the API and runs on host `lb`.
How a balancer's packets must be answered is predicted in probes/oracle/stages/load_balancer.py. Start with config.py.
"""
