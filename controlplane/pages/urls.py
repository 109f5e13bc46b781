"""Addresses of the pages that join the rooms."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
