"""Straps over Bluetooth Low Energy: pure decoders of what they send. Bytes in, values out; no radio and no clock."""
