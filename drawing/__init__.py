"""Drawings, pages and screens: pixels that are mostly what was near or followed before, learned while they are coded.

A band of rows is coded pixel by pixel as yes-or-no decisions, without a trained network: ``body`` (files) -> ``band``
(pixels) -> ``mixer`` (predictions of bits) -> ``bits`` (arithmetic coding).
"""
