"""What makes a record provable: signatures, envelopes, the Merkle log, receipts and their audit; no I/O, no clock."""
