"""Whence: how much does a small language model remember, and how does its attention change that?"""

__version__ = "0.1.0"
