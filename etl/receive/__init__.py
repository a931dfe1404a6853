"""Receive: from an agency's inbox to landing, where the bytes stay as they came.

`inbox` tells what lies there, `arrival` which of it has come as a whole, `turns` whose is next. `manifest` says what
its sender declares of it, `place` which period it states. `landing` keeps its bytes, `refusal` says why it goes no
further, and `processed` takes it out of the inbox.
"""
