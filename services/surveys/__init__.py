"""Surveys: what a site asks its visitors, and what they answered."""
