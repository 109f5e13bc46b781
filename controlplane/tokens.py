"""Token authentication of the API (placeholder until the tokens exist)."""

from rest_framework.authentication import TokenAuthentication as TokenAuthentication
