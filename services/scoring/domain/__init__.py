"""What scoring decides. Pure: no clock, no I/O, no model library; amounts in, quantised amounts out."""
