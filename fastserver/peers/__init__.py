"""Peers: one connection each, from accept to its last byte."""
