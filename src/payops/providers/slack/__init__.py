"""Slack, by an incoming webhook."""
