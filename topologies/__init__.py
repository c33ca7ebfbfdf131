"""What is there: declared topologies, the live cluster's snapshot, and our own lab. Imports nothing of ours."""
