"""Engine answers → model, pure: bytes in, frozen values out, Malformed when the bytes are not what they should be.

Works on recorded answers alone; refuses every socket, file, clock and default figure.
"""
