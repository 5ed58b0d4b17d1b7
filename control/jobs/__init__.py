"""The work that is nobody's call: what there is to do, the queue that it waits in, and who does it."""
