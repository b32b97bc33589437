"""Workspaces out of one repository, patches back into a private store.

Host git never runs in a tree an agent has touched: see `ingest`.
"""
