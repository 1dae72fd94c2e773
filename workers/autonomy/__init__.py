"""Earned autonomy: what people always say yes to is proposed to run by itself, and is taken back when that goes wrong."""
